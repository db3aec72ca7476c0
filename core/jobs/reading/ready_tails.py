"""Tails that are ready, remembered for a while: how a tail ended never changes, but it may be deleted."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from redis.exceptions import RedisError

from core.errors import GoneError, NotFoundError
from core.jobs.reading.states import quietly
from core.jobs.records import JobEnd, JobSpec, JobStatus

if TYPE_CHECKING:
    from core.jobs.store import JobStore

KEEP_S = 60.0
REMEMBERED = 10_000
log = structlog.get_logger()


@dataclass(frozen=True)
class _Known:
    spec: JobSpec
    end: JobEnd
    token: str
    until: float


class ReadyTails:
    """Asks storage for a tail's end once a minute at most, for who accepts edits.

    Redis keeps a token for the tail, which its deletion takes away: what was read under another one counts no more.
    Who works on an edit must find the tail's file besides. Safe in many threads.
    """

    def __init__(self, store: JobStore) -> None:
        self._store = store
        self._known: dict[str, _Known] = {}

    def end(self, tail_id: str) -> tuple[JobSpec, JobEnd | None]:
        """Return the personalization behind a tail and how it ended; raises NotFoundError or GoneError."""
        try:
            token = self._store.live.ready_tokens.token(tail_id)
        except RedisError as error:
            log.warning("ready_tails.redis_away", error=str(error))
            return self._store.tail_end(tail_id)
        known = self._known.get(tail_id)
        if known and known.token == token and time.monotonic() < known.until:
            return known.spec, known.end
        try:
            spec, end = self._store.tail_end(tail_id)
        except (NotFoundError, GoneError):
            quietly(lambda: self._store.live.ready_tokens.drop(tail_id), None)  # nothing is to tell of it any more
            raise
        if end and end.status is JobStatus.SUCCEEDED:
            self._remember(tail_id, _Known(spec, end, token, time.monotonic() + KEEP_S))
        return spec, end

    def _remember(self, tail_id: str, known: _Known) -> None:
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        self._known[tail_id] = known
