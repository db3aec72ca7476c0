"""How many bytes an owner has stored: pictures, tails and results, until they are deleted or expire.

Storage knows: a job's entries in its owner's lists say how many bytes came with it and came of it, and go with it.
Redis keeps the sum, so that a request asks nothing of storage; once an hour, and when Redis has lost it, it is added up
anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog
from redis.exceptions import RedisError

from core.jobs import keys
from core.jobs.lists import entries
from core.jobs.lists.entries import Entry
from core.jobs.records import KINDS, JobEnd, JobSpec

if TYPE_CHECKING:
    from core.jobs.store import JobStore

STALE_S = 600  # nobody is refused by a sum that is older: who stays at the limit costs six listings an hour
log = structlog.get_logger()


class Usage:
    """What each owner has stored. Nothing here fails a request: while Redis is away nobody knows."""

    def __init__(self, store: JobStore) -> None:
        self._store = store

    def of(self, owner: str, *, limit: int | None = None) -> int | None:
        """Return an owner's bytes; None when nobody knows: Redis is away, or somebody counts for the first time.

        A sum over the limit is added up again if that was not just done; meanwhile others go by the old one. Raises
        StorageUnavailableError.
        """
        try:
            known = self._store.live.stored.read(owner)
            if known and (limit is None or known[0] <= limit or known[1] < STALE_S):
                return known[0]
            counted = self._count(owner)
            return known[0] if counted is None and known else counted
        except RedisError as error:
            log.warning("usage.redis_away", error=str(error))
            return None

    def _count(self, owner: str) -> int | None:
        stored, count = self._store.live.stored, None
        if (token := stored.begin(owner)) is None:
            return None
        try:
            found = self._store.lists.read([entries.of_kind(owner, kind) for kind in KINDS])
            count = self._bytes_of(found)
            return count
        finally:
            with suppress(RedisError):
                stored.end(owner, token, count)

    def _bytes_of(self, found: Iterator[Entry]) -> int:
        """Return the bytes of entries. Those of requests that never got their 202 are nobody's.

        An entry that knows how its job ended has one. So only the jobs that may be open are looked for.
        """
        count, unsure = 0, list[Entry]()
        for entry in found:
            if entry.status is not None:
                count += entry.bytes
            elif entry.bytes:
                unsure.append(entry)
        return count + sum(self._store.lists.a_few_at_once(self._bytes_if_there, unsure))

    def _bytes_if_there(self, entry: Entry) -> int:
        """Return the bytes of an entry whose job is there, else 0."""
        return entry.bytes if self._store.storage.head(keys.spec(entry.job_id)) else 0

    def accepted(self, spec: JobSpec) -> None:
        """Count what came with a job that was just accepted."""
        self._add(spec, spec.input_bytes)

    def ended(self, spec: JobSpec, end: JobEnd) -> None:
        """Count what came of a job that has just ended."""
        self._add(spec, end.output_bytes)

    def deleted(self, spec: JobSpec, end: JobEnd | None) -> None:
        """Give back what a deleted job had."""
        with suppress(RedisError):  # then the next sum is right
            self._store.live.stored.give_back(spec.owner, spec.id, spec.input_bytes + (end.output_bytes if end else 0))

    def _add(self, spec: JobSpec, count: int) -> None:
        with suppress(RedisError):  # then the next sum is right
            self._store.live.stored.add(spec.owner, count)
