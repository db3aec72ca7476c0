"""The job store: accept, announce, read, finish, cancel, delete."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

import structlog
from redis.exceptions import RedisError

from core.clock import utc_now
from core.errors import GoneError, NotFoundError
from core.jobs import keys
from core.jobs.attempts import AttemptHistory, read_attempts
from core.jobs.ids import job_of
from core.jobs.nudges import Nudges
from core.jobs.records import JobEnd, JobKind, JobSpec, JobState, JobStatus, LiveRecord, Problem
from core.live.store import LiveStore
from core.storage.base import ObjectMissingError, Storage

MOST_AT_ONCE = 50  # edits that one end, or one pass of the reconciler, queues or fails
log = structlog.get_logger()
T = TypeVar("T")


class JobStore:
    """A job's life: storage decides, Redis remembers, Celery nudges (docs/design.md, section 5).

    All calls block. What storage cannot do raises StorageUnavailableError; Redis being away raises nothing here.
    """

    def __init__(self, storage: Storage, live: LiveStore, nudges: Nudges) -> None:
        self.storage = storage
        self.live = live
        self.nudges = nudges
        self._cached_spec = lru_cache(maxsize=4096)(self._read_spec)  # a spec never changes

    # Acceptance

    def accept(self, spec: JobSpec, picture: bytes | None = None) -> tuple[JobSpec, bool]:
        """Write a job down for good; returns what is stored under its id, and whether that is this very spec.

        After it returns the job survives the loss of every process, Redis included. Raises GoneError for the id of a
        deleted job.
        """
        self._refuse_deleted(spec.id)  # before the marker, which would bring a deleted job back
        self.storage.put(keys.open_marker(spec.id), b"")
        if picture is not None and spec.picture_key:
            self.storage.put(spec.picture_key, picture, "image/png")
        if self.storage.create(keys.spec(spec.id), spec.model_dump_json().encode(), "application/json"):
            return spec, True
        stored = self.spec(spec.id)
        if spec.picture_key and spec.picture_key != stored.picture_key:
            self.storage.delete(spec.picture_key)
        if self.end(spec.id):
            self.storage.delete(keys.open_marker(spec.id))
        return stored, False

    def announce(self, spec: JobSpec) -> None:
        """Make a job that was just accepted known to Redis and nudge a worker. Never raises.

        Whatever fails here, the job is accepted: the reconciler finds its open marker.
        """
        try:
            self._begin(spec, AttemptHistory())
        except Exception as error:  # the 202 is already true
            log.warning("job.announce.failed", job=spec.id, error=str(error))

    def track(self, spec: JobSpec) -> None:
        """Begin the live record of an open job from what storage knows; raises RedisError."""
        if end := self.end(spec.id):
            self.close(spec, end)
        else:
            self._begin(spec, read_attempts(self.storage, spec.id))

    def _begin(self, spec: JobSpec, attempts: AttemptHistory) -> None:
        if attempts.running:
            self.live.records.begin(spec, JobStatus.RUNNING, attempt=attempts.newest)
        elif spec.kind == "edit":
            self.live.records.begin(spec, JobStatus.WAITING, attempt=attempts.newest)
            self.release(spec)
        else:
            self.live.records.begin(spec, JobStatus.QUEUED, attempt=attempts.newest)
            self.nudges.send(spec.kind, spec.id)

    # Reading

    def spec(self, job_id: str) -> JobSpec:
        """Return what was accepted; raises NotFoundError or GoneError."""
        return self._cached_spec(job_id)

    def _read_spec(self, job_id: str) -> JobSpec:
        try:
            return JobSpec.model_validate_json(self.storage.get(keys.spec(job_id)))
        except ObjectMissingError:
            self._refuse_deleted(job_id)
            raise NotFoundError(f"there is no job {job_id}", id=job_id) from None

    def _refuse_deleted(self, job_id: str) -> JobEnd | None:
        end = self.end(job_id)
        if end and end.deleted:
            raise GoneError(f"{job_id} was deleted", id=job_id)
        return end

    def end(self, job_id: str) -> JobEnd | None:
        """Return how a job ended, or None while it has not. A deleted job's end is its tombstone."""
        try:
            return JobEnd.model_validate_json(self.storage.get(keys.end(job_id)))
        except ObjectMissingError:
            return None

    def state(self, job_id: str) -> JobState:
        """Return a job as a reader sees it; raises NotFoundError or GoneError.

        The end is looked for first: Redis may not have heard of it, or may have forgotten it.
        """
        spec = self.spec(job_id)
        end = self._refuse_deleted(job_id)
        live = self._quietly(lambda: self.live.records.read(job_id), None)
        if end:
            return JobState(spec=spec, live=live or LiveRecord(status=end.status, attempt=end.attempt), end=end)
        if live and not live.status.ended:
            return JobState(spec=spec, live=live)
        attempts = read_attempts(self.storage, job_id)
        status = JobStatus.RUNNING if attempts.running else JobStatus.QUEUED
        if status is JobStatus.QUEUED and spec.kind == "edit" and not self.end(spec.tail_job):
            status = JobStatus.WAITING
        return JobState(spec=spec, live=LiveRecord(status=status, attempt=attempts.newest))

    def tail_end(self, tail_id: str) -> tuple[JobSpec, JobEnd | None]:
        """Return the personalization behind a tail and how it ended; raises NotFoundError or GoneError."""
        try:
            spec = self.spec(job_of(tail_id))
        except NotFoundError:
            raise NotFoundError(f"there is no tail {tail_id}", id=tail_id) from None
        if spec.kind != "personalize":
            raise NotFoundError(f"there is no tail {tail_id}", id=tail_id)
        return spec, self._refuse_deleted(spec.id)

    def queued(self, kind: JobKind) -> int:
        """Return how many jobs of a kind wait for a slot, or for their tail; 0 when Redis is away."""
        return self._quietly(
            lambda: self.live.lines.length(kind) + (self.live.open_jobs.waiting() if kind == "edit" else 0), 0
        )

    @staticmethod
    def _quietly(call: Callable[[], T], otherwise: T) -> T:
        try:
            return call()
        except RedisError as error:
            log.warning("redis.away", error=str(error))
            return otherwise

    # Ending

    def finish(self, spec: JobSpec, end: JobEnd) -> bool:
        """Try to commit an end; success, failure, cancellation and deadline compete. True if this one was the first."""
        won = self.storage.create(keys.end(spec.id), end.model_dump_json().encode(), "application/json")
        self.close(spec, end if won else self.end(spec.id) or end)
        return won

    def fail(self, spec: JobSpec, type_: str, title: str, detail: str, *, attempt: int = 0) -> bool:
        """End a job as failed, with the reason."""
        problem = Problem(type=type_, title=title, detail=detail)
        end = JobEnd(job_id=spec.id, status=JobStatus.FAILED, ended_at=utc_now(), attempt=attempt, error=problem)
        return self.finish(spec, end)

    def cancel(self, job_id: str) -> JobState:
        """Cancel a job durably; an ended job stays as it is.

        The cancellation is itself the end: the worker that may be running the job hears of it and finds it committed.
        """
        spec = self.spec(job_id)
        if end := self._refuse_deleted(job_id):
            self.close(spec, end)  # the first one may have been cut off between the end and what follows it
        else:
            self.finish(spec, JobEnd(job_id=job_id, status=JobStatus.CANCELED, ended_at=utc_now()))
        return self.state(job_id)

    def close(self, spec: JobSpec, end: JobEnd) -> None:
        """Do all that follows an end; safe to repeat, and repeated by the reconciler while the open marker is there."""
        try:
            self.live.records.end(spec.id, end.status)
            self._settle_waiting(spec, end)
        except RedisError as error:
            log.warning("job.close.unannounced", job=spec.id, error=str(error))
            return  # the open marker stays, so that the reconciler comes back to it
        self._sweep(spec.id, end)
        self.storage.delete(keys.open_marker(spec.id))

    def _settle_waiting(self, spec: JobSpec, end: JobEnd) -> None:
        if spec.kind == "personalize":
            waiting = [row.id for row in self.live.open_jobs.survey() if row.waits_for(spec.tail_id)]
            for job_id in waiting[:MOST_AT_ONCE]:  # the reconciler does the rest
                self.settle(self.spec(job_id), end)

    def release(self, spec: JobSpec) -> None:
        """Queue an edit whose tail is ready, or fail it with its tail; raises RedisError."""
        try:
            end = self.tail_end(spec.tail_id)[1]
        except (NotFoundError, GoneError):
            self.fail(spec, "tail-gone", "Tail deleted", f"{spec.tail_id} was deleted before this edit could use it")
        else:
            if end is not None:
                self.settle(spec, end)

    def settle(self, spec: JobSpec, tail_end: JobEnd) -> None:
        """Queue or fail an edit whose tail's job has ended so; raises RedisError."""
        if tail_end.deleted:
            self.fail(spec, "tail-gone", "Tail deleted", f"{spec.tail_id} was deleted before this edit could use it")
        elif tail_end.status is not JobStatus.SUCCEEDED:
            reason = tail_end.error.detail if tail_end.error else "it was canceled"
            self.fail(spec, "tail-failed", "Tail not made", f"{spec.tail_id} was not made: {reason}")
        elif self.live.lines.enqueue(spec.id, spec.kind):
            self.nudges.send(spec.kind, spec.id)

    def _sweep(self, job_id: str, end: JobEnd) -> None:
        """Delete what no end names: other attempts' outputs and all checkpoints; of a deleted job everything."""
        kept = {end.tail_key, *end.result_keys, keys.end(job_id)}
        for info in list(self.storage.list(keys.job(job_id) if end.deleted else keys.outputs(job_id))):
            if info.key not in kept:
                self.storage.delete(info.key)

    def delete_tail(self, tail_id: str) -> None:
        """Delete a tail with all bytes of its personalization. Idempotent.

        Its end is replaced by a tombstone, which no attempt that may still run can undo.
        """
        job_id = job_of(tail_id)
        tombstone = JobEnd(job_id=job_id, status=JobStatus.CANCELED, ended_at=utc_now(), deleted=True)
        try:
            if self.tail_end(tail_id)[1] is None:
                self.cancel(job_id)
        except GoneError:
            log.info("tail.deleted_again", job=job_id)  # the first time may have been cut off before its last byte
        else:
            self.storage.put(keys.end(job_id), tombstone.model_dump_json().encode(), "application/json")
        self._sweep(job_id, tombstone)
        self._cached_spec.cache_clear()

    def forget(self, job_id: str) -> None:
        """Take a job that storage does not know out of Redis; should it only seem so, its marker brings it back."""
        self.live.open_jobs.forget(job_id)
