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
FILES = 256  # of some ten kilobytes each
log = structlog.get_logger()


@dataclass(frozen=True)
class _Known:
    spec: JobSpec
    end: JobEnd
    token: str
    until: float


@dataclass(frozen=True)
class _File:
    data: bytes
    token: str
    until: float


class ReadyTails:
    """Asks storage for a tail's end, and for its file, once a minute at most.

    Redis keeps a token for the tail, which its deletion takes away: what was read under another one counts no more.
    Safe in many threads.
    """

    def __init__(self, store: JobStore) -> None:
        self._store = store
        self._known: dict[str, _Known] = {}
        self._files: dict[str, _File] = {}  # by key

    def end(self, tail_id: str) -> tuple[JobSpec, JobEnd | None]:
        """Return the personalization behind a tail and how it ended; raises NotFoundError or GoneError."""
        if (token := self._token(tail_id)) is None:
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

    def file(self, tail_id: str, key: str) -> bytes:
        """Return what lies under a tail's key; raises ObjectMissingError: it was deleted."""
        token, now = self._token(tail_id), time.monotonic()
        for old in [key for key, file in list(self._files.items()) if now >= file.until]:
            self._files.pop(old, None)
        file = self._files.get(key)
        if token and file and file.token == token:
            return file.data
        self._files.pop(key, None)
        data = self._store.storage.get(key)
        if token and len(self._files) < FILES:
            self._files[key] = _File(data, token, now + KEEP_S)
        return data

    def _token(self, tail_id: str) -> str | None:
        """Return a tail's token, to be taken before storage is read, or None while Redis is away."""
        try:
            return self._store.live.ready_tokens.token(tail_id)
        except RedisError as error:
            log.warning("ready_tails.redis_away", error=str(error))
            return None

    def _remember(self, tail_id: str, known: _Known) -> None:
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        self._known[tail_id] = known
