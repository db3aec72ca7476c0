"""The lists in storage: entries are written before a job is accepted, and go with its last byte."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from heapq import merge
from itertools import islice, takewhile
from typing import TYPE_CHECKING, TypeVar

from core.jobs import keys
from core.jobs.lists import entries
from core.jobs.lists.entries import Entry
from core.jobs.records import JobEnd, JobSpec

if TYPE_CHECKING:
    from core.jobs.store import JobStore

WRITERS = 16  # of entries, and readers of what a page shows
FEW = 8  # that work of which there may be much is given at once: what is accepted needs the same threads
ABANDONED = timedelta(hours=1)  # an entry without a job so long after belongs to a request that never got its 202
T = TypeVar("T")


class JobLists:
    """Who has which jobs, newest first. All methods raise StorageUnavailableError."""

    def __init__(self, store: JobStore) -> None:
        self._store = store
        self.pool = ThreadPoolExecutor(WRITERS, thread_name_prefix="lists")

    @contextmanager
    def entering(self, spec: JobSpec) -> Iterator[None]:
        """Write a job's entries while the block runs; they are there when it is left."""
        writes = [self.pool.submit(self._store.storage.put, key, b"") for key in entries.accepted_keys(spec)]
        try:
            yield
        finally:
            for write in writes:
                write.exception()  # none goes on after the block, which may take back what it has written
        for write in writes:
            write.result()

    def a_few_at_once(self, work: Callable[[Entry], T], found: Iterable[Entry]) -> Iterator[T]:
        """Yield what becomes of entries, in their order, without taking all threads from those who are accepted."""
        rest = iter(found)
        while some := list(islice(rest, FEW)):
            yield from self.pool.map(work, some)

    def that_may_be_open(self, found: Iterator[Entry]) -> Iterator[Entry]:
        """Yield those entries, newest first, whose jobs may be open: what is older than the oldest marker has ended."""
        oldest = next(iter(self._store.storage.scan(keys.OPEN_MARKERS)), None)
        if oldest is None:
            return iter(())
        since = keys.marked_minute(oldest.key)
        return takewhile(lambda entry: entry.created_at >= since, found)

    def leave_out(self, spec: JobSpec, stored: JobSpec) -> None:
        """Take back the entries of a request that another one with the same id has come before."""
        kept = set(entries.accepted_keys(stored))
        self._delete(key for key in entries.accepted_keys(spec) if key not in kept)

    def enter(self, spec: JobSpec) -> None:
        """Write a job's entries."""
        with self.entering(spec):
            pass

    def note_end(self, spec: JobSpec, end: JobEnd, is_there: Callable[[], bool] = lambda: False) -> None:
        """Write how a job ended; nothing stays of a job that was deleted meanwhile.

        Storage is not asked if somebody else can vouch for it, after the entry was written, that the job `is_there`.
        """
        self._note(spec, [entries.ended_key(spec, end)], is_there)

    def note_labels(self, spec: JobSpec) -> None:
        """Write that a tail has new labels; nothing stays of one that was deleted meanwhile."""
        self._note(spec, entries.relabeled_keys(spec))

    def _note(self, spec: JobSpec, keys: list[str], is_there: Callable[[], bool] = lambda: False) -> None:
        for key in keys:
            self._store.storage.put(key, b"")
        end = None if is_there() else self._store.end(spec.id)
        if end and end.deleted:
            self._delete(keys)

    def remove(self, places: Iterable[str]) -> None:
        """Remove all entries of a job, by their `entries.places`."""
        for place in places:
            self._delete([info.key for info in self._store.storage.scan(place)])

    def discard(self, entry: Entry) -> None:
        """Remove an entry that stands for nothing."""
        self._delete(entry.keys)

    def _delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            self._store.storage.delete(key)

    def read(self, prefixes: list[str], after: str | None = None) -> Iterator[Entry]:
        """Yield the entries of some lists together, newest first, from a place on; costs what is taken."""
        lists = [self._read(prefix, after) for prefix in prefixes]
        return merge(*lists, key=lambda entry: entry.stem)

    def _read(self, prefix: str, after: str | None) -> Iterator[Entry]:
        start = f"{prefix}{after}{entries.AFTER_ALL_FACTS}" if after else ""
        return entries.grouped(prefix, (info.key for info in self._store.storage.scan(prefix, after=start)))
