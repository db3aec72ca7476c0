"""Deletes jobs with all their bytes; a tombstone stays, which no attempt that may still run can undo."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from redis.exceptions import RedisError

from core.errors import GoneError, NotFoundError
from core.jobs import keys
from core.jobs.ids import job_of
from core.jobs.keeping.expiry import expiring_key
from core.jobs.lists import entries
from core.jobs.lists.entries import Entry
from core.jobs.records import JobEnd, JobSpec, JobStatus
from core.jobs.sweep import doubt, not_to_stay, sweep

if TYPE_CHECKING:
    from core.jobs.store import JobStore


@dataclass
class Deleted:
    """What went: the jobs, and how many objects of theirs with how many bytes; `expired` if their time was over."""

    jobs: list[str] = field(default_factory=list)
    objects: int = 0
    bytes: int = 0
    expired: bool = False

    def add(self, other: Deleted) -> None:
        """Count what another deletion took."""
        self.jobs += other.jobs
        self.objects += other.objects
        self.bytes += other.bytes


class Deletion:
    """All methods raise StorageUnavailableError; begun and cut off, they may be called again, and end what is left."""

    def __init__(self, store: JobStore) -> None:
        self._store = store
        self._unforgotten: set[str] = set()  # jobs whose deletion Redis has not heard of, as it was away

    def tail(self, tail_id: str) -> Deleted:
        """Delete a tail with its personalization; raises NotFoundError."""
        with suppress(GoneError):
            self._store.tail_end(tail_id)
        return self.job(job_of(tail_id))

    def edits(self, owner: str, tail_id: str) -> Deleted:
        """Delete all edits that an owner made with a tail, be it there or not."""
        found = self._store.lists.read([entries.of_tail(owner, tail_id)])
        deleted = Deleted()
        for one in self._store.lists.a_few_at_once(self._entry, found):
            deleted.add(one)
        return deleted

    def _entry(self, entry: Entry) -> Deleted:
        try:
            return self.job(entry.job_id)
        except NotFoundError:  # of a request that never got its 202
            return Deleted()

    def job(self, job_id: str, *, expired: bool = False) -> Deleted:
        """Delete a job, ended or not; its input, outputs, checkpoints and entries go. Raises NotFoundError."""
        store = self._store
        try:
            spec = store.spec(job_id)
        except GoneError:
            self._sweep(job_id)  # the first time may have been cut off before its last byte
            return _told(store.end(job_id))
        if (end := store.end(job_id)) is None:
            with suppress(GoneError):  # somebody else deletes it, too
                store.cancel(job_id)
            end = store.end(job_id)
        if end is None or not end.deleted:
            self._bury(self._counted(self._tombstone(job_id, owner=spec.owner, expired=expired)))
            store.usage.deleted(spec, end)
        self._have_it_forgotten(spec)
        store.lists.remove(entries.places(spec))
        self._sweep(job_id)
        if end and (expiring := expiring_key(spec, end)):  # last: who is cut off here is followed by the expiry
            store.storage.delete(expiring)
        store.forget_spec()
        return _told(store.end(job_id))

    def _have_it_forgotten(self, spec: JobSpec) -> None:
        """Take a job out of Redis before its entries go: who has just ended it sees so that it must take its own back.

        While Redis is away nobody sees it, and what comes too late is removed later.
        """
        try:
            self._store.forget(spec.id)
        except RedisError:
            self._unforgotten.add(spec.id)
            doubt(self._store.storage, spec.id, entries.places(spec))

    def tell_redis(self) -> None:
        """Tell Redis of the deletions that it has not heard of; raises RedisError, and they stay owed."""
        for job_id in list(self._unforgotten):
            self._store.forget(job_id)
            self._unforgotten.discard(job_id)

    def _tombstone(self, job_id: str, **more: Any) -> JobEnd:
        return JobEnd(job_id=job_id, status=JobStatus.CANCELED, ended_at=self._store.clock.now(), deleted=True, **more)

    def _counted(self, tombstone: JobEnd) -> JobEnd:
        """Return a tombstone that says what goes, so that whoever asks again hears it, too."""
        going = not_to_stay(self._store.storage, tombstone.job_id, tombstone)
        size = sum(info.size for info in going)
        return tombstone.model_copy(update={"gone_objects": len(going), "gone_bytes": size})

    def _bury(self, tombstone: JobEnd) -> None:
        """Write a tombstone unless somebody has while its figures were counted, of a job that was going by then."""
        now = self._store.end(tombstone.job_id)
        if now is None or not now.deleted:
            key = keys.end(tombstone.job_id)
            self._store.storage.put(key, tombstone.model_dump_json().encode(), "application/json")

    def _sweep(self, job_id: str) -> None:
        sweep(self._store.storage, job_id, self._tombstone(job_id))
        with suppress(RedisError):  # what it remembers of an ended job it forgets by itself, soon
            self._store.forget(job_id)


def _told(tombstone: JobEnd | None) -> Deleted:
    """Return what a tombstone says of what went: the same each time."""
    if tombstone is None:
        return Deleted()
    return Deleted([tombstone.job_id], tombstone.gone_objects, tombstone.gone_bytes, tombstone.expired)
