"""The job store: accept, announce, read, finish, cancel, delete."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from types import MappingProxyType
from typing import TypeVar

import structlog
from redis.exceptions import RedisError

from core.clock import FleetClock
from core.errors import GoneError, NotFoundError, StorageUnavailableError
from core.jobs import keys
from core.jobs.attempts import AttemptHistory, read_attempts
from core.jobs.ids import job_of
from core.jobs.keeping.deletion import Deletion
from core.jobs.keeping.expiry import expiring_key
from core.jobs.keeping.usage import Usage
from core.jobs.lists.lists import JobLists
from core.jobs.nudges import Nudges
from core.jobs.reading.ready_tails import ReadyTails
from core.jobs.reading.states import States, quietly
from core.jobs.records import (
    DEFAULT_OWNER,
    JobEnd,
    JobKind,
    JobSpec,
    JobState,
    JobStatus,
    Problem,
)
from core.jobs.settling import Settling
from core.jobs.sweep import doubt, nothing_left, sweep
from core.live.store import LiveStore
from core.storage.base import ObjectMissingError, Storage
from core.webhooks.deliveries import Deliveries

log = structlog.get_logger()
T = TypeVar("T")
NOTHING_SENT: Mapping[str, bytes] = MappingProxyType({})


class JobStore:
    """A job's life: storage decides, Redis remembers, Celery nudges (docs/design.md, section 5).

    All calls block. What storage cannot do raises StorageUnavailableError; Redis being away raises nothing here.
    """

    def __init__(self, storage: Storage, live: LiveStore, nudges: Nudges, clock: FleetClock) -> None:
        self.storage = storage
        self.live = live
        self.nudges = nudges
        self.clock = clock
        self.settling = Settling(self)
        self.deliveries = Deliveries(self)
        self.lists = JobLists(self)
        self.deletion = Deletion(self)
        self.usage = Usage(self)
        self.states = States(self)
        self.ready_tails = ReadyTails(self)
        self._owed: dict[str, JobSpec] = {}  # by id: jobs of which Redis has not heard something, as it was away
        self._cached_spec = lru_cache(maxsize=4096)(self._read_spec)  # a spec never changes

    # Acceptance

    def accept(
        self, spec: JobSpec, sent: Mapping[str, bytes] = NOTHING_SENT, *, shared_id: bool = True
    ) -> tuple[JobSpec, bool]:
        """Write a job down for good with what was `sent`, by its `input_keys`: pictures or a tail's file.

        Returns what is stored under its id, and whether that is this very spec. After it returns the job survives the
        loss of every process, Redis included, and so do the edits that stand in it: one write accepts all of them or
        none. Raises GoneError for the id of a deleted job, and StorageUnavailableError: then nothing is left behind,
        unless another request may have the id (`shared_id`), which an id that was just drawn does not allow.
        """
        if shared_id:
            self.end_unless_deleted(spec.id)  # before the marker, which would bring a deleted job back
        marker = keys.open_marker(spec.id, spec.created_at)
        with nothing_left(self.storage, spec, shared_id=shared_id):
            self.storage.put(marker, b"")
            with self.lists.entering(spec):
                for key, data in sent.items():
                    kind = "application/octet-stream" if spec.imported else "image/png"
                    self.storage.put(key, data, kind)
            if self.storage.create(keys.spec(spec.id), spec.model_dump_json().encode(), "application/json"):
                self.usage.accepted(spec)
                return spec, True
        stored = self.spec(spec.id)
        for key in set(spec.input_keys) - set(stored.input_keys):
            self.storage.delete(key)
        self.lists.leave_out(spec, stored)
        if self.end(spec.id) or marker != keys.open_marker(stored.id, stored.created_at):
            self.storage.delete(marker)
        return stored, False

    def announce(self, spec: JobSpec, *, tail_end: JobEnd | None = None) -> None:
        """Make a job that was just accepted known to Redis and nudge a worker. Never raises.

        Whatever fails here, the job is accepted: this process tries again later, and if it dies, the reconciler finds
        the open marker. `tail_end` is how an edit's tail ended, if that is known.
        """
        try:
            self._bring_edits(spec)
            self._begin(spec, AttemptHistory(), tail_end)
            for edit in spec.edits:
                self.announce(edit)
        except Exception as error:  # the 202 is already true
            log.warning("job.announce.failed", job=spec.id, error=str(error))
            self._owed[spec.id] = spec

    def track(self, spec: JobSpec) -> None:
        """Begin the live record of an open job from what storage knows; raises RedisError."""
        self._bring_edits(spec)
        if end := self.end(spec.id):
            self.close(spec, end)
        else:
            self._begin(spec, read_attempts(self.storage, spec.id))
        for edit in spec.edits:
            self.track(edit)

    def _bring_edits(self, spec: JobSpec) -> None:
        """Make the edits that were accepted with a personalization jobs of their own, those that are not yet."""
        for edit in spec.edits:
            if self.storage.head(keys.spec(edit.id)) is None:
                with suppress(GoneError):  # it was, and has been deleted
                    self.accept(edit)

    def _begin(self, spec: JobSpec, history: AttemptHistory, tail_end: JobEnd | None = None) -> None:
        if history.running:
            self.live.records.begin(spec, JobStatus.RUNNING, attempt=history.newest)
        elif spec.kind == "edit" and tail_end is None:
            self.live.records.begin(spec, JobStatus.WAITING, attempt=history.newest)
            self.settling.release(spec)
        else:
            self.live.records.begin(spec, JobStatus.QUEUED, attempt=history.newest)
            self.nudges.send(spec.kind, spec.id)

    def owed(self) -> list[JobSpec]:
        """Return the jobs of which this process still has to tell Redis something."""
        return list(self._owed.values())

    def pay(self, spec: JobSpec) -> None:
        """Tell Redis of such a job; raises RedisError or StorageUnavailableError, and it stays owed."""
        self._owed.pop(spec.id, None)  # first: what follows may find Redis away again and owe it anew
        try:
            self.track(spec)
        except (RedisError, StorageUnavailableError):
            self._owed[spec.id] = spec
            raise

    # Reading

    def spec(self, job_id: str) -> JobSpec:
        """Return what was accepted; raises NotFoundError or GoneError."""
        return self._cached_spec(job_id)

    def _read_spec(self, job_id: str) -> JobSpec:
        try:
            return JobSpec.model_validate_json(self.storage.get(keys.spec(job_id)))
        except ObjectMissingError:
            self.end_unless_deleted(job_id)
            raise NotFoundError(f"there is no job {job_id}", id=job_id) from None

    def owner(self, job_id: str) -> str:
        """Return whose a job is or, if it was deleted, was; raises NotFoundError."""
        try:
            return self.spec(job_id).owner
        except GoneError:
            tombstone = self.end(job_id)
            return tombstone.owner if tombstone else DEFAULT_OWNER

    def end_unless_deleted(self, job_id: str) -> JobEnd | None:
        """Return how a job ended, or None while it has not; raises GoneError when it was deleted."""
        end = self.end(job_id)
        if end and end.deleted:
            how = "expired and was deleted" if end.expired else "was deleted"
            raise GoneError(f"{job_id} {how}", id=job_id)
        return end

    def end(self, job_id: str) -> JobEnd | None:
        """Return how a job ended, or None while it has not. A deleted job's end is its tombstone."""
        try:
            return JobEnd.model_validate_json(self.storage.get(keys.end(job_id)))
        except ObjectMissingError:
            return None

    def state(self, job_id: str) -> JobState:
        """Return a job as a reader sees it; raises NotFoundError or GoneError."""
        return self.states.of(job_id)

    def tail_end(self, tail_id: str) -> tuple[JobSpec, JobEnd | None]:
        """Return the personalization behind a tail and how it ended; raises NotFoundError or GoneError."""
        try:
            spec = self.spec(job_of(tail_id))
        except NotFoundError:
            raise NotFoundError(f"there is no tail {tail_id}", id=tail_id) from None
        if spec.kind != "personalize":
            raise NotFoundError(f"there is no tail {tail_id}", id=tail_id)
        return spec, self.end_unless_deleted(spec.id)

    def labels(self, spec: JobSpec) -> dict[str, str]:
        """Return the labels that a tail has now, by the spec of its personalization."""
        try:
            stored: dict[str, str] = json.loads(self.storage.get(keys.labels(spec.id)))
        except ObjectMissingError:
            return spec.labels
        return stored

    def relabel(self, spec: JobSpec, labels: dict[str, str]) -> None:
        """Give a tail other labels, by the spec of its personalization."""
        self.storage.put(keys.labels(spec.id), json.dumps(labels).encode(), "application/json")
        self.lists.note_labels(spec)
        self.sweep_if_ended(spec)  # it may have been deleted meanwhile

    def queued(self, kind: JobKind) -> int:
        """Return how many jobs of a kind wait for a slot, or for their tail; 0 when Redis is away."""
        return quietly(
            lambda: self.live.lines.length(kind) + (self.live.open_jobs.waiting() if kind == "edit" else 0), 0
        )

    def open_of(self, owner: str) -> int:
        """Return how many of an owner's jobs have not ended; 0 when Redis is away."""
        now_ms = int(self.clock.now().timestamp() * 1000)
        return quietly(lambda: self.live.open_jobs.count_of(owner, now_ms), 0)

    # Ending

    def finish(self, spec: JobSpec, end: JobEnd) -> bool:
        """Try to commit an end; success, failure, cancellation and deadline compete. True if this one was the first."""
        self.states.note_end(spec.id)
        won = self.storage.create(keys.end(spec.id), end.model_dump_json().encode(), "application/json")
        if won:
            self.usage.ended(spec, end)
        self.close(spec, end if won else self.end(spec.id) or end, first=won)
        return won

    def fail(self, spec: JobSpec, type_: str, title: str, detail: str, *, attempt: int = 0) -> bool:
        """End a job as failed, with the reason."""
        problem = Problem(type=type_, title=title, detail=detail)
        end = JobEnd(job_id=spec.id, status=JobStatus.FAILED, ended_at=self.clock.now(), attempt=attempt, error=problem)
        return self.finish(spec, end)

    def cancel(self, job_id: str) -> JobState:
        """Cancel a job durably; an ended job stays as it is.

        The cancellation is itself the end: the worker that may be running the job hears of it and finds it committed.
        """
        spec = self.spec(job_id)
        if end := self.end_unless_deleted(job_id):
            self.close(spec, end)  # the first one may have been cut off between the end and what follows it
        else:
            doubt(self.storage, job_id)
            self.finish(spec, JobEnd(job_id=job_id, status=JobStatus.CANCELED, ended_at=self.clock.now()))
        return self.state(job_id)

    def fail_if_overdue(self, spec: JobSpec) -> bool:
        """End a job whose deadline has passed by the fleet's time; tells whether it has."""
        if self.clock.now() < spec.deadline_at:
            return False
        self.fail(spec, "deadline-exceeded", "Deadline exceeded", f"not ended by {spec.deadline_at:%FT%TZ}")
        return True

    def close(self, spec: JobSpec, end: JobEnd, *, first: bool = False) -> None:
        """Do all that follows an end; safe to repeat, and repeated while the open marker is there.

        `first` says who has written the end.
        """
        try:
            self.live.records.end(spec, end.status, first=first)
            if spec.kind == "personalize":
                self.settling.settle_all(spec.tail_id, end)
            self.deliveries.ended(spec, end)
        except RedisError as error:
            log.warning("job.close.unannounced", job=spec.id, error=str(error))
            self._owed[spec.id] = spec
            return  # the open marker stays, so that somebody comes back to it
        if not (end.status is JobStatus.SUCCEEDED and end.attempt == 1 and spec.kind == "edit"):
            sweep(self.storage, spec.id, end)  # an edit's first attempt leaves nothing beside its pictures
        if not end.deleted:
            if expiring := expiring_key(spec, end):
                self.storage.put(expiring, b"")
            self.lists.note_end(spec, end, lambda: quietly(lambda: self.live.records.is_there(spec.id), False))
        self.storage.delete(keys.open_marker(spec.id, spec.created_at))
        with suppress(RedisError):  # somebody does it all again then
            self.live.open_jobs.closed(spec.id)

    def sweep_if_ended(self, spec: JobSpec) -> None:
        """Take back what was just written for a job that has ended meanwhile: whoever writes for a job looks here."""
        if end := self.end(spec.id):
            sweep(self.storage, spec.id, end)

    def forget_spec(self) -> None:
        """Forget all specs that were read, as one was deleted."""
        self._cached_spec.cache_clear()

    def forget(self, job_id: str) -> None:
        """Take a job that storage does not know out of Redis; if that is wrong, its marker brings it back."""
        self.live.open_jobs.forget(job_id)
