"""Pages of lists: what a query asks for, looked for as long as one request may take."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from core.errors import GoneError, NotFoundError
from core.jobs.lists import entries
from core.jobs.lists.entries import Entry
from core.jobs.lists.lists import ABANDONED
from core.jobs.records import KINDS, JobKind, JobState, JobStatus
from core.jobs.store import JobStore

MOST_PASSED = 5000  # entries that one request passes over
MOST_READ = 300  # jobs that one request reads
OPEN = frozenset(status for status in JobStatus if not status.ended)


@dataclass(frozen=True)
class Query:
    """What a client asks for; `after` is a place in a list, and of `labels` (names and values) all must be there."""

    owner: str
    limit: int
    after: str | None = None
    kind: JobKind | None = None
    tail_id: str | None = None
    statuses: frozenset[JobStatus] = frozenset()
    labels: tuple[tuple[str, str], ...] = ()

    @property
    def lists(self) -> list[str]:
        """The lists in which all of it stands."""
        if self.tail_id:
            return [] if self.kind == "personalize" else [entries.of_tail(self.owner, self.tail_id)]
        return [entries.of_kind(self.owner, kind) for kind in KINDS if self.kind in (None, kind)]

    def may_want(self, entry: Entry) -> bool:
        """Tell whether it is worth while to read an entry's job."""
        is_wanted = not self.statuses or entry.status is None or entry.status in self.statuses
        return is_wanted and entry.may_have(self.labels)

    def wants(self, job: ListedJob) -> bool:
        """Tell whether a job is what the client asks for."""
        is_wanted = not self.statuses or job.state.status in self.statuses
        return is_wanted and all(job.labels.get(name) == value for name, value in self.labels)


@dataclass(frozen=True)
class ListedJob:
    """A job in a list; of a personalization, the labels that its tail has now."""

    state: JobState
    labels: dict[str, str]


@dataclass(frozen=True)
class Page:
    """Some of what was asked for, newest first, and the place to go on from; None at the end."""

    items: list[ListedJob]
    after: str | None


class Pages:
    """Reads pages, and removes the entries that stand for nothing as it meets them.

    A page may have fewer items than its limit, and even none, before the end: what hardly any job meets is not looked
    for through all of them in one request.
    """

    def __init__(self, store: JobStore) -> None:
        self._store = store

    def read(self, query: Query) -> Page:
        """Return one page; raises StorageUnavailableError."""
        rest, items, read = _Rest(self._entries(query), query.after), list[ListedJob](), 0
        while len(items) < query.limit and read < MOST_READ and rest.passed < MOST_PASSED and not rest.is_over:
            some = rest.take(query, query.limit - len(items))
            read += len(some)
            looked_at = self._store.lists.pool.map(self._look_at, some)
            items += [job for job in looked_at if job is not None and query.wants(job)]
        return Page(items, rest.after_it())

    def _entries(self, query: Query) -> Iterator[Entry]:
        found = self._store.lists.read(query.lists, query.after)
        if not query.statuses or not query.statuses <= OPEN:
            return found
        return self._store.lists.that_may_be_open(found)

    def _look_at(self, entry: Entry) -> ListedJob | None:
        try:
            state = self._store.state(entry.job_id)
        except GoneError:
            if (end := self._store.end(entry.job_id)) and end.deleted:
                self._store.lists.discard(entry)
            return None
        except NotFoundError:
            if self._store.clock.now() - entry.created_at > ABANDONED:
                self._store.lists.discard(entry)
            return None
        if entries.stem(state.spec) != entry.stem:  # of a repeated request that was cut off
            self._store.lists.discard(entry)
            return None
        labels = self._store.labels(state.spec) if entry.is_relabeled else state.spec.labels
        return ListedJob(state, labels)


class _Rest:
    """The entries that were not looked at yet."""

    def __init__(self, found: Iterator[Entry], after: str | None) -> None:
        self._found = found
        self._after = after
        self.passed = 0
        self.is_over = False

    def take(self, query: Query, count: int) -> list[Entry]:
        """Return the next entries that may be wanted."""
        some: list[Entry] = []
        while len(some) < count and self.passed < MOST_PASSED:
            entry = next(self._found, None)
            if entry is None:
                self.is_over = True
                break
            self.passed += 1
            self._after = entry.stem
            if query.may_want(entry):
                some.append(entry)
        return some

    def after_it(self) -> str | None:
        """Return the place of the last entry that was passed, or None if no other follows."""
        return None if self.is_over or next(self._found, None) is None else self._after
