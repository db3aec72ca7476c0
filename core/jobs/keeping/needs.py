"""Which tails are still needed when their time is over: by edits that were accepted before."""

from __future__ import annotations

from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING

from core.errors import GoneError, NotFoundError
from core.jobs.keeping.terms import expires_at
from core.jobs.lists import entries
from core.jobs.lists.entries import Entry
from core.jobs.lists.lists import ABANDONED
from core.jobs.records import JobSpec, JobStatus

if TYPE_CHECKING:
    from core.jobs.store import JobStore

NEEDED_S = 60  # so often a tail whose time is over is looked at again for as long as edits need it
MOST_READ = 400  # edits of a tail that one look goes through: the leader has more to do


class Needs:
    """Looks at the edits of tails whose time is over, newest first; a look costs no more than MOST_READ of them."""

    def __init__(self, store: JobStore) -> None:
        self._store = store
        self._ended: dict[str, str] = {}  # by job: the place in its tail's list down to which all edits have ended

    def is_needed(self, job_id: str) -> bool:
        """Tell whether a job makes a tail that an edit may still need which was accepted before its time was over.

        That may only just have happened, and the edit's entry is not there yet: so the first minute counts as well.
        """
        try:
            spec = self._store.spec(job_id)
            if spec.kind != "personalize":
                return False
            end = self._store.end_unless_deleted(job_id)
        except (NotFoundError, GoneError):
            self._ended.pop(job_id, None)
            return False
        due = expires_at(spec, end)
        if end is None or end.status is not JobStatus.SUCCEEDED or due is None:
            return False
        if self._store.clock.now() < due + timedelta(seconds=NEEDED_S) or self._may_one_be_open(spec):
            return True
        self._ended.pop(job_id, None)
        return False

    def _may_one_be_open(self, tail: JobSpec) -> bool:
        """Tell whether an edit is open, or there are more than one look goes through: the next one goes on there."""
        lists = self._store.lists
        found = lists.read([entries.of_tail(tail.owner, tail.tail_id)], self._ended.get(tail.id))
        some = list(islice(lists.that_may_be_open(found), MOST_READ))
        if any(self._store.live.open_jobs.are_open([entry.job_id for entry in some])):
            return True
        # what Redis does not know as open may have been forgotten
        for entry, is_open in zip(some, lists.a_few_at_once(self._is_open, some), strict=True):
            if is_open:
                return True
            self._ended[tail.id] = entry.stem
        return len(some) == MOST_READ

    def _is_open(self, entry: Entry) -> bool:
        if self._store.end(entry.job_id):  # first: mostly it is all that is read
            return False
        try:
            self._store.spec(entry.job_id)
        except GoneError:
            return False
        except NotFoundError:  # it is just being accepted, or never was
            return self._store.clock.now() - entry.created_at < ABANDONED
        return True
