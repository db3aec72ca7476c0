"""Claims jobs into free slots, lets the engine run them, and commits their ends."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Any

import structlog
import torch
from redis.exceptions import RedisError

from core.clock import utc_now
from core.config import Settings
from core.errors import StorageUnavailableError, TailorError
from core.jobs.attempts import Attempt
from core.jobs.claims import Claims
from core.jobs.records import JobEnd, JobKind, JobStatus, Problem
from core.live.names import SUSPECTS
from worker.engine import CancelReason, Engine, HandedBackError, JobCanceledError
from worker.model_cache import ModelCache
from worker.serving.active import ActiveAttempt
from worker.serving.progress import Progress
from worker.serving.slots import Slots
from worker.serving.work import Work, work_for

STORAGE_RETRY_S = 1.0
HAND_BACK_S = 15  # how long a draining worker waits for storage to come back
PROBATION_S = 30  # how long a job that was there at one crash runs alone
COMPANY_S = 10  # how long others are let in before the next job runs alone
ELECTED_S = 60  # how long a worker is the one that runs suspects, unless it asks again
DEVICE_LOST_EXIT_CODE = 71  # EX_OSERR: whoever supervises this process starts it again
EXACT_BUCKET = 1  # a job with `exact` has its calls to itself, so that a repeat is equal bit for bit in any company
log = structlog.get_logger()


class Runner:
    """Takes jobs while it has free slots, lets the engine run them, and commits their ends. Safe in many threads."""

    def __init__(self, settings: Settings, claims: Claims, engine: Engine, models: ModelCache) -> None:
        self.settings = settings
        self.claims = claims
        self.engine = engine
        self.models = models
        self.slots = Slots({"personalize": settings.personalize_slots, "edit": settings.edit_slots})
        self._active: dict[str, ActiveAttempt] = {}  # by the token of the lease: a job may be here twice for a moment
        self._alone_lock = threading.Lock()
        self._company_until = float("-inf")
        self._draining = threading.Event()

    # Taking jobs

    def work(self, kind: JobKind) -> None:
        """Run waiting jobs of a kind until none is left or no slot is free. A nudge calls this."""
        while not self._draining.is_set():
            try:
                attempt = self._take(kind)
            except (RedisError, StorageUnavailableError) as error:
                log.warning("attempt.claim.failed", kind=kind, error=str(error))
                return  # the reconciler nudges again
            if attempt is None:
                return
            self._run(attempt)

    def _take(self, kind: JobKind) -> Attempt | None:
        """Claim a job; one that must run alone goes first, on the one worker that makes itself free for it."""
        if self._is_turn_of_suspects():
            if not self.slots.take_all():
                self._hand_back_personalizations()
                return None  # whoever ends last comes back here
            if attempt := self._take_into(SUSPECTS, self.slots.give_all):
                return attempt
        if not self.slots.take(kind):
            return None
        return self._take_into(kind, lambda: self.slots.give(kind))

    def _is_turn_of_suspects(self) -> bool:
        """Tell whether this worker is to run suspects now: one worker at a time, and not without a pause for others."""
        live = self.claims.store.live
        if time.monotonic() < self._company_until or not live.lines.length(SUSPECTS):
            return False
        return live.workers.elect(self.claims.worker_id, ELECTED_S)

    def _hand_back_personalizations(self) -> None:
        """Make room soon: a personalization goes on from its checkpoint, here or elsewhere; edits end soon."""
        for active in list(self._active.values()):
            if active.attempt.spec.kind == "personalize" and not active.alone:
                active.stop(CancelReason.HANDED_BACK)

    def _take_into(self, line: str, give: Callable[[], None]) -> Attempt | None:
        attempt = None
        try:
            attempt = self.claims.take(line)
        finally:
            if attempt is None:
                give()
        return attempt

    # Running one

    def _run(self, attempt: Attempt) -> None:
        active = self._active[attempt.token] = ActiveAttempt(attempt, alone=attempt.alone)
        started = time.monotonic()
        log.info(
            "job.started", job=attempt.spec.id, kind=attempt.spec.kind, attempt=attempt.number, alone=attempt.alone
        )
        probation = threading.Timer(PROBATION_S, self._end_probation, [active])
        probation.daemon = True
        if attempt.alone and attempt.crashes == 1:
            probation.start()
        try:
            outcome = self._try(active)
        finally:
            probation.cancel()
            del self._active[attempt.token]
            self._give(active)
        log.info("job.ended", job=attempt.spec.id, outcome=outcome, seconds=round(time.monotonic() - started, 2))

    def _end_probation(self, active: ActiveAttempt) -> None:
        """Let others in beside a job that was there at one crash, and has now run alone for long enough.

        A job that was there at two runs alone to its end.
        """
        with self._alone_lock:
            if active.alone:
                active.alone = False
                self.slots.share(active.attempt.spec.kind)
                self._company_until = time.monotonic() + COMPANY_S

    def _give(self, active: ActiveAttempt) -> None:
        with self._alone_lock:
            if active.alone:
                active.alone = False
                self.slots.give_all()
                self._company_until = time.monotonic() + COMPANY_S
            else:
                self.slots.give(active.attempt.spec.kind)

    def _try(self, active: ActiveAttempt) -> str:
        """Run a job and commit its end; returns the outcome for the log."""
        attempt = active.attempt
        try:
            with self.models.use(attempt.spec.model) as backbone:
                work = work_for(attempt, backbone, self.claims)
                result = self._through_engine(active, work, backbone)
                return self._commit(active, lambda: work.keep(result))
        except HandedBackError:
            return self._hand_back(active)
        except JobCanceledError:
            return self._close_canceled(attempt)
        except StorageUnavailableError as error:
            log.warning("job.storage_away", job=attempt.spec.id, error=error.detail)
            return self._hand_back(active)
        except torch.AcceleratorError as error:
            # After it every call on the device fails, anybody's: this process is lost, the jobs are not.
            log.error("device.lost", job=attempt.spec.id, error=str(error))
            os._exit(DEVICE_LOST_EXIT_CODE)
        except Exception as error:  # whatever a job raises is its own end, never the worker's
            problem = _problem(error)
            log.warning(
                "job.failed", job=attempt.spec.id, error=problem.detail, exc_info=not isinstance(error, TailorError)
            )
            return self._commit(active, lambda: _failure(attempt, problem))

    def _through_engine(self, active: ActiveAttempt, work: Work, backbone: Any) -> Any:
        attempt, spec = active.attempt, active.attempt.spec
        params = spec.personalize or spec.edit
        active.ticket = self.engine.submit(
            work.routine(),
            backbone=backbone,
            kind=spec.kind,
            name=spec.id,
            deadline=time.monotonic() + (spec.deadline_at - utc_now()).total_seconds(),
            exact_bucket=EXACT_BUCKET if params and params.exact else None,
            alone=attempt.alone,
        )
        if active.reason:  # it came before there was a ticket
            active.ticket.cancel(active.reason)
        progress = Progress(attempt, self.claims, checkpoint_s=self.settings.checkpoint_s)
        for report in active.ticket.reports():
            progress.note(report)
        try:
            return active.ticket.result()
        except HandedBackError:
            progress.keep_checkpoint()
            raise

    def _commit(self, active: ActiveAttempt, make_end: Any) -> str:
        """Write the result and its end, however long storage is away; the lease is renewed meanwhile."""
        while True:
            try:
                end: JobEnd = make_end()
                won = self.claims.store.finish(active.attempt.spec, end)
                return end.status if won else "superseded"
            except StorageUnavailableError as error:
                log.warning("job.commit.storage_away", job=active.attempt.spec.id, error=error.detail)
                if active.canceled.wait(STORAGE_RETRY_S) or self._draining.is_set():
                    return "abandoned"  # the lease runs out and the next attempt goes on from the checkpoint

    def _hand_back(self, active: ActiveAttempt) -> str:
        """Give a job back, however long storage is away: an outage must not look like a crash."""
        until = time.monotonic() + HAND_BACK_S
        while True:
            try:
                self.claims.hand_back(active.attempt)
            except StorageUnavailableError as error:
                log.warning("job.hand_back.storage_away", job=active.attempt.spec.id, error=error.detail)
                if active.canceled.wait(STORAGE_RETRY_S) or (self._draining.is_set() and time.monotonic() > until):
                    return "abandoned"
            else:
                return "handed_back"

    def _close_canceled(self, attempt: Attempt) -> str:
        """Sweep what this attempt wrote before it heard that it is over; without an end its lease was lost."""
        try:
            if end := self.claims.store.end(attempt.spec.id):
                self.claims.store.close(attempt.spec, end)
                return end.status
        except StorageUnavailableError as error:
            log.warning("job.sweep.storage_away", job=attempt.spec.id, error=error.detail)
        return "lease_lost"

    # From outside

    def cancel(self, job_id: str) -> None:
        """Stop a job if it runs here."""
        for active in list(self._active.values()):
            if active.attempt.spec.id == job_id:
                active.stop(CancelReason.CANCELED)

    def attempts(self) -> list[Attempt]:
        """Return the attempts whose leases must be kept."""
        return [active.attempt for active in list(self._active.values())]

    def drain(self) -> None:
        """Take nothing more, and hand back all that runs: each job's task checkpoints it and returns."""
        self._draining.set()
        self.engine.stop()


def _problem(error: Exception) -> Problem:
    if isinstance(error, TailorError):
        return Problem(type=error.type, title=error.title, detail=error.detail)
    return Problem(type="internal", title="Internal error", detail=f"{type(error).__name__}: {error}"[:500])


def _failure(attempt: Attempt, problem: Problem) -> JobEnd:
    return JobEnd(
        job_id=attempt.spec.id, status=JobStatus.FAILED, ended_at=utc_now(), attempt=attempt.number, error=problem
    )
