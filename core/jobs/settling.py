"""Edits that wait for a tail: queued when it is there, failed when it will never be."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from core.errors import GoneError, NotFoundError
from core.jobs.ids import job_of
from core.jobs.records import JobEnd, JobSpec, JobStatus

if TYPE_CHECKING:
    from core.jobs.store import JobStore

AT_ONCE = 50  # edits that are looked at together
MOST_AT_ONCE = 500  # edits that one end, or one pass of the reconciler, settles


class Settling:
    """Settles the edits of tails; all methods raise RedisError."""

    def __init__(self, store: JobStore) -> None:
        self._store = store

    def settle_all(self, tail_id: str, end: JobEnd) -> None:
        """Settle the edits that wait for a tail which ended so; the reconciler does what is too much for one time."""
        open_jobs = self._store.live.open_jobs
        open_jobs.begin_settling(tail_id)
        for _ in range(MOST_AT_ONCE // AT_ONCE):
            waiting = open_jobs.waiting_for(tail_id, AT_ONCE)
            if not waiting:
                open_jobs.end_settling(tail_id)
                return
            for job_id in waiting:
                self._settle_waiting(job_id, tail_id, end)

    def _settle_waiting(self, job_id: str, tail_id: str, end: JobEnd) -> None:
        waits = False
        with suppress(NotFoundError, GoneError):
            waits = self._settle(self._store.spec(job_id), end)
        self._store.live.open_jobs.forget_waiting(job_id, tail_id, for_others=waits)

    def go_on(self, tail_id: str) -> None:
        """Settle the edits of a tail that has ended, as somebody began to."""
        if end := self._store.end(job_of(tail_id)):
            self.settle_all(tail_id, end)
        else:
            self._store.live.open_jobs.end_settling(tail_id)

    def release(self, spec: JobSpec) -> bool:
        """Queue an edit if all its tails are there, fail it if one never will be; tells whether it waits."""
        waits = False
        for tail_id in spec.tail_ids:
            try:
                end = self._store.tail_end(tail_id)[1]
            except (NotFoundError, GoneError):
                self._fail_gone(spec, tail_id)
                return False
            if end is None:
                waits = True
            elif end.status is not JobStatus.SUCCEEDED:
                self._fail(spec, tail_id, end)
                return False
        if not waits:
            self._queue(spec)
        return waits

    def _settle(self, spec: JobSpec, end: JobEnd) -> bool:
        """Settle an edit of a tail that has ended so; the ends of others must be looked up."""
        if len(spec.tail_ids) > 1:
            return self.release(spec)
        if end.deleted:
            self._fail_gone(spec, spec.tail_id)
        elif end.status is not JobStatus.SUCCEEDED:
            self._fail(spec, spec.tail_id, end)
        else:
            self._queue(spec)
        return False

    def _queue(self, spec: JobSpec) -> None:
        if self._store.live.lines.enqueue(spec, spec.kind):
            self._store.nudges.send(spec.kind, spec.id)

    def _fail(self, spec: JobSpec, tail_id: str, end: JobEnd) -> None:
        reason = end.error.detail if end.error else "it was canceled"
        self._store.fail(spec, "tail-failed", "Tail not made", f"{tail_id} was not made: {reason}")

    def _fail_gone(self, spec: JobSpec, tail_id: str) -> None:
        self._store.fail(spec, "tail-gone", "Tail deleted", f"{tail_id} was deleted before this edit could use it")
