"""Puts right what crashes, lost messages and outages left behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial

import structlog
from pydantic import ValidationError
from redis.exceptions import RedisError

from core.clock import utc_now
from core.errors import GoneError, NotFoundError, StorageUnavailableError
from core.jobs import keys
from core.jobs.ids import is_job_id, job_of
from core.jobs.records import KINDS, JobSpec, JobStatus
from core.jobs.store import MOST_AT_ONCE, JobStore
from core.live.connection import eviction_policy
from core.live.names import SUSPECTS
from core.live.open_jobs import OpenJob

log = structlog.get_logger()
ADOPT_EVERY_S = 10  # how often storage is asked for open jobs that Redis does not know
MOST_NUDGES = 8  # of a kind at once: one for each slot that may be free
ABANDONED_S = 3600  # an open marker without a job so long after belongs to a request that never got its 202


class Reconciler:
    """Puts right what crashes, lost messages and outages left behind. Harmless when run twice at once.

    One runs in every API and worker process, on a thread of its own.
    """

    def __init__(self, store: JobStore, *, every_s: float, lease_s: float) -> None:
        self.store = store
        self.every_s = every_s
        self.lease_s = lease_s
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._redis_seen = False
        self._bare_since: dict[str, float] = {}
        self._cursor = 0
        self._adopted = float("-inf")

    def start(self) -> None:
        """Begin to reconcile every few seconds."""
        self._thread = threading.Thread(target=self._loop, name="reconciler", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        if self._thread:
            self._thread.join(timeout=10)

    def _loop(self) -> None:
        while not self._stop.is_set():
            self.run_once()
            self._stop.wait(self.every_s)

    def run_once(self) -> None:
        """Make one pass; an outage ends it quietly, anything else that is wrong is logged."""
        try:
            self._pass()
        except RedisError as error:
            self._redis_seen = False
            self._bare_since = {}
            log.warning("reconcile.redis_away", error=str(error))
        except StorageUnavailableError as error:
            log.warning("reconcile.storage_away", error=error.detail)
        except Exception:  # the loop must outlive any bug in a pass: everything else relies on it
            log.exception("reconcile.failed")

    def _pass(self) -> None:
        now = time.monotonic()
        if not self._redis_seen:
            self._redis_seen = True
            self._warn_of_eviction()
        fresh = self.store.live.open_jobs.begin_epoch()
        if fresh or now - self._adopted >= ADOPT_EVERY_S:
            self._adopt(fresh)
            self._adopted = now
        jobs = self.store.live.open_jobs.survey()
        self._note_leases(jobs, now)
        self._check_ends(jobs)
        for job in jobs:
            self._guarded(job.id, partial(self._mend, job, now))
        self._release_waiting(jobs)
        self._nudge()

    def _warn_of_eviction(self) -> None:
        policy = eviction_policy(self.store.live.client)
        if policy != "noeviction":
            log.error("redis.evicts", maxmemory_policy=policy, wanted="noeviction")

    def _note_leases(self, jobs: list[OpenJob], now: float) -> None:
        """Note since when each running job has been without a lease, by this process' own clock.

        After an outage, a suspended machine or a step of Redis' clock all leases have run out at once: every
        worker gets one whole period to take its own again before any job is reaped.
        """
        bare = [job.id for job in jobs if job.status is JobStatus.RUNNING and not job.leased]
        self._bare_since = {job_id: self._bare_since.get(job_id, now) for job_id in bare}

    def _check_ends(self, jobs: list[OpenJob]) -> None:
        """Close what has ended without Redis hearing of it: a slice of the open jobs each pass."""
        self._cursor = self._cursor if self._cursor < len(jobs) else 0
        for job in jobs[self._cursor : self._cursor + MOST_AT_ONCE]:
            self._guarded(job.id, partial(self._close_ended, job.id))
        self._cursor += MOST_AT_ONCE

    def _close_ended(self, job_id: str) -> None:
        if end := self.store.end(job_id):
            self.store.close(self.store.spec(job_id), end)

    def _adopt(self, fresh: bool) -> None:
        """Make open jobs known to Redis that it has forgotten or never heard of."""
        try:
            known = {job.id for job in self.store.live.open_jobs.survey() if job.status is not None}
            # The oldest first: in this order they get their places in their lines.
            for info in sorted(self.store.storage.list(keys.OPEN_MARKERS), key=lambda marker: marker.modified):
                job_id = info.key.removeprefix(keys.OPEN_MARKERS)
                if job_id not in known and is_job_id(job_id):
                    self._guarded(job_id, partial(self._track, job_id, (utc_now() - info.modified).total_seconds()))
        except BaseException:
            if fresh:
                self.store.live.open_jobs.end_epoch()
            raise

    def _track(self, job_id: str, age_s: float) -> None:
        try:
            self.store.track(self.store.spec(job_id))
        except NotFoundError:
            if age_s > ABANDONED_S:
                self.store.storage.delete_prefix(keys.job(job_id))
                self.store.storage.delete(keys.open_marker(job_id))
        except GoneError:
            self.store.storage.delete(keys.open_marker(job_id))

    def _guarded(self, job_id: str, mend: Callable[[], None]) -> None:
        """Do something for one job; what is wrong with it must not keep the others from theirs."""
        try:
            mend()
        except (NotFoundError, GoneError):
            self.store.forget(job_id)
        except (RedisError, StorageUnavailableError):
            raise
        except ValidationError as error:  # written by a newer version, whose processes will mend it
            log.error("reconcile.unreadable", job=job_id, error=str(error))
        except Exception:
            log.exception("reconcile.job_failed", job=job_id)

    def _mend(self, job: OpenJob, now: float) -> None:
        if job.status is JobStatus.QUEUED and not job.leased:
            self.store.live.lines.rejoin(job.id, job.line)
        spec = self.store.spec(job.id)
        if job.status is None:
            self.store.track(spec)
        elif utc_now() >= spec.deadline_at:
            detail = f"not ended by {spec.deadline_at:%FT%TZ}"
            self.store.fail(spec, "deadline-exceeded", "Deadline exceeded", detail)
        elif now - self._bare_since.get(job.id, now) > self.lease_s:
            self._reap(spec)

    def _reap(self, spec: JobSpec) -> None:
        if end := self.store.end(spec.id):
            self.store.close(spec, end)
        elif self.store.live.leases.reap(spec.id):
            log.warning("job.reaped", job=spec.id)
            self.store.nudges.send(spec.kind, spec.id)

    def _release_waiting(self, jobs: list[OpenJob]) -> None:
        """Release edits whose tail's job is open no more; each tail is asked for once, and not too many at a time."""
        open_ids = {job.id for job in jobs}
        waiting = [job for job in jobs if job.status is JobStatus.WAITING and job_of(job.tail_id) not in open_ids]
        for job in waiting[:MOST_AT_ONCE]:
            self._guarded(job.id, partial(self._release, job.id))

    def _release(self, job_id: str) -> None:
        self.store.release(self.store.spec(job_id))

    def _nudge(self) -> None:
        """Nudge for every line in which somebody waits: the one message that counts may have been lost."""
        suspects = self.store.live.lines.length(SUSPECTS)
        for kind in KINDS:
            waiting = min(self.store.live.lines.length(kind) + suspects, MOST_NUDGES)
            for _ in range(waiting - self.store.nudges.pending(self.store.live.client, kind)):
                self.store.nudges.send(kind)
