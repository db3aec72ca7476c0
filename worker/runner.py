from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Any

import structlog
import torch
from redis.exceptions import RedisError

from core.claims import Claim, Claims
from core.config import Settings
from core.errors import StorageUnavailableError, TailorError
from core.live import SUSPECT
from core.schemas import JobEnd, JobKind, JobStatus, Problem, utc_now
from worker.claimed import Running
from worker.engine import CancelReason, Engine, HandedBackError, JobCanceledError
from worker.models import ModelCache
from worker.progress import Progress
from worker.slots import Slots
from worker.tries import Try, make_try

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
        self._running: dict[str, Running] = {}  # by the token of the lease: a job may be here twice for a moment
        self._alone_lock = threading.Lock()
        self._company_until = float("-inf")
        self._draining = threading.Event()

    # Taking jobs

    def work(self, kind: JobKind) -> None:
        """Run waiting jobs of a kind until none is left or no slot is free. A nudge calls this."""
        while not self._draining.is_set():
            try:
                claim = self._take(kind)
            except (RedisError, StorageUnavailableError) as error:
                log.warning("claim.failed", kind=kind, error=str(error))
                return  # the reconciler nudges again
            if claim is None:
                return
            self._run(claim)

    def _take(self, kind: JobKind) -> Claim | None:
        """Claim a job; one that must run alone goes first, on the one worker that makes itself free for it."""
        if self._is_turn_of_suspects():
            if not self.slots.take_all():
                self._hand_back_personalizations()
                return None  # whoever ends last comes back here
            if claim := self._take_into(SUSPECT, self.slots.give_all):
                return claim
        if not self.slots.take(kind):
            return None
        return self._take_into(kind, lambda: self.slots.give(kind))

    def _is_turn_of_suspects(self) -> bool:
        """Tell whether this worker is to run suspects now: one worker at a time, and not without a pause for others."""
        live = self.claims.store.live
        if time.monotonic() < self._company_until or not live.ready(SUSPECT):
            return False
        return live.elect(self.claims.worker_id, ELECTED_S)

    def _hand_back_personalizations(self) -> None:
        """Make room soon: a personalization goes on from its checkpoint, here or elsewhere; edits end soon."""
        for running in list(self._running.values()):
            if running.claim.spec.kind == "personalize" and not running.alone:
                running.stop(CancelReason.HANDED_BACK)

    def _take_into(self, line: str, give: Callable[[], None]) -> Claim | None:
        claim = None
        try:
            claim = self.claims.take(line)
        finally:
            if claim is None:
                give()
        return claim

    # Running one

    def _run(self, claim: Claim) -> None:
        running = self._running[claim.token] = Running(claim, alone=claim.alone)
        started = time.monotonic()
        log.info("job.started", job=claim.spec.id, kind=claim.spec.kind, attempt=claim.attempt, alone=claim.alone)
        probation = threading.Timer(PROBATION_S, self._end_probation, [running])
        probation.daemon = True
        if claim.alone and claim.crashes == 1:
            probation.start()
        try:
            outcome = self._try(running)
        finally:
            probation.cancel()
            del self._running[claim.token]
            self._give(running)
        log.info("job.ended", job=claim.spec.id, outcome=outcome, seconds=round(time.monotonic() - started, 2))

    def _end_probation(self, running: Running) -> None:
        """Let others in beside a job that was there at one crash, and has now run alone for long enough.

        A job that was there at two runs alone to its end.
        """
        with self._alone_lock:
            if running.alone:
                running.alone = False
                self.slots.share(running.claim.spec.kind)
                self._company_until = time.monotonic() + COMPANY_S

    def _give(self, running: Running) -> None:
        with self._alone_lock:
            if running.alone:
                running.alone = False
                self.slots.give_all()
                self._company_until = time.monotonic() + COMPANY_S
            else:
                self.slots.give(running.claim.spec.kind)

    def _try(self, running: Running) -> str:
        """Run a job and commit its end; returns the outcome for the log."""
        claim = running.claim
        try:
            with self.models.use(claim.spec.model) as backbone:
                attempt = make_try(claim, backbone, self.claims)
                result = self._through_engine(running, attempt, backbone)
                return self._commit(running, lambda: attempt.keep(result))
        except HandedBackError:
            return self._hand_back(running)
        except JobCanceledError:
            return self._close_canceled(claim)
        except StorageUnavailableError as error:
            log.warning("job.storage_away", job=claim.spec.id, error=error.detail)
            return self._hand_back(running)
        except torch.AcceleratorError as error:
            # After it every call on the device fails, anybody's: this process is lost, the jobs are not.
            log.error("device.lost", job=claim.spec.id, error=str(error))
            os._exit(DEVICE_LOST_EXIT_CODE)
        except Exception as error:  # whatever a job raises is its own end, never the worker's
            problem = _problem(error)
            log.warning(
                "job.failed", job=claim.spec.id, error=problem.detail, exc_info=not isinstance(error, TailorError)
            )
            return self._commit(running, lambda: _failure(claim, problem))

    def _through_engine(self, running: Running, attempt: Try, backbone: Any) -> Any:
        claim, spec = running.claim, running.claim.spec
        params = spec.personalize or spec.edit
        running.ticket = self.engine.submit(
            attempt.job(),
            backbone=backbone,
            kind=spec.kind,
            name=spec.id,
            deadline=time.monotonic() + (spec.deadline_at - utc_now()).total_seconds(),
            exact_bucket=EXACT_BUCKET if params and params.exact else None,
            alone=claim.alone,
        )
        if running.reason:  # it came before there was a ticket
            running.ticket.cancel(running.reason)
        progress = Progress(claim, self.claims, checkpoint_s=self.settings.checkpoint_s)
        for report in running.ticket.reports():
            progress.note(report)
        try:
            return running.ticket.result()
        except HandedBackError:
            progress.keep_checkpoint()
            raise

    def _commit(self, running: Running, make_end: Any) -> str:
        """Write the result and its end, however long storage is away; the lease is renewed meanwhile."""
        while True:
            try:
                end: JobEnd = make_end()
                won = self.claims.store.finish(running.claim.spec, end)
                return end.status if won else "superseded"
            except StorageUnavailableError as error:
                log.warning("job.commit.storage_away", job=running.claim.spec.id, error=error.detail)
                if running.canceled.wait(STORAGE_RETRY_S) or self._draining.is_set():
                    return "abandoned"  # the lease runs out and the next attempt goes on from the checkpoint

    def _hand_back(self, running: Running) -> str:
        """Give a job back, however long storage is away: an outage must not look like a crash."""
        until = time.monotonic() + HAND_BACK_S
        while True:
            try:
                self.claims.hand_back(running.claim)
            except StorageUnavailableError as error:
                log.warning("job.hand_back.storage_away", job=running.claim.spec.id, error=error.detail)
                if running.canceled.wait(STORAGE_RETRY_S) or (self._draining.is_set() and time.monotonic() > until):
                    return "abandoned"
            else:
                return "handed_back"

    def _close_canceled(self, claim: Claim) -> str:
        """Sweep what this attempt wrote before it heard that it is over; without an end its lease was lost."""
        try:
            if end := self.claims.store.end(claim.spec.id):
                self.claims.store.close(claim.spec, end)
                return end.status
        except StorageUnavailableError as error:
            log.warning("job.sweep.storage_away", job=claim.spec.id, error=error.detail)
        return "lease_lost"

    # From outside

    def cancel(self, job_id: str) -> None:
        """Stop a job if it runs here."""
        for running in list(self._running.values()):
            if running.claim.spec.id == job_id:
                running.stop(CancelReason.CANCELED)

    def claims_now(self) -> list[Claim]:
        """Return the claims whose leases must be kept."""
        return [running.claim for running in list(self._running.values())]

    def drain(self) -> None:
        """Take nothing more, and hand back all that runs: each job's task checkpoints it and returns."""
        self._draining.set()
        self.engine.stop()


def _problem(error: Exception) -> Problem:
    if isinstance(error, TailorError):
        return Problem(type=error.type, title=error.title, detail=error.detail)
    return Problem(type="internal", title="Internal error", detail=f"{type(error).__name__}: {error}"[:500])


def _failure(claim: Claim, problem: Problem) -> JobEnd:
    return JobEnd(
        job_id=claim.spec.id, status=JobStatus.FAILED, ended_at=utc_now(), attempt=claim.attempt, error=problem
    )
