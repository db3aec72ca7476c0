"""Claims jobs into free slots, lets the engine run them, and commits their ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import structlog
from redis.exceptions import RedisError

from core.config import Settings
from core.errors import StorageUnavailableError, TailorError
from core.forecast.asides import Aside, Asides
from core.jobs.attempts import Attempt
from core.jobs.claims import Claims
from core.jobs.records import JobKind
from worker.engine import (
    CancelReason,
    DeviceLostError,
    Engine,
    Fault,
    HandedBackError,
    JobCanceledError,
    fault_of,
)
from worker.served_models import ModelLostError, ServedModels
from worker.serving.active import ActiveAttempt
from worker.serving.breakdown import Breakdown
from worker.serving.ends.closing import Closing
from worker.serving.ends.failures import failure, problem_of
from worker.serving.progress import Progress
from worker.serving.seat import NoSeat, Seat
from worker.serving.slots import Slots
from worker.serving.taker import Taker
from worker.serving.work import Work, work_for

PROBATION_S = 30  # how long a job that was there at two crashes runs alone; after a third it stays alone
DEVICE_LOST_EXIT_CODE = 71  # EX_OSERR: whoever supervises this process starts it again
BROKEN_EXIT_CODE = 75  # EX_TEMPFAIL: the same
EXACT_BUCKET = 1  # a job with `exact` has its calls to itself, so that a repeat is equal bit for bit in any company
Heed = Callable[[JobKind, bool], None]
log = structlog.get_logger()


class Runner:
    """Takes jobs while it has free slots, lets the engine run them, and commits their ends. Safe in many threads."""

    def __init__(
        self,
        settings: Settings,
        claims: Claims,
        engine: Engine,
        models: ServedModels,
        *,
        seat: Seat | NoSeat,
        heed: Heed = lambda _kind, _on: None,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        """`heed` is told whether this worker wants a kind's nudges, `changed` when a job has come or ended."""
        self.settings = settings
        self.claims = claims
        self.engine = engine
        self.models = models
        self.seat = seat
        self.heed = heed
        self.changed = changed
        self.asides = Asides()
        self.slots = Slots({"personalize": settings.personalize_slots, "edit": settings.edit_slots})
        self.taker = Taker(claims, self.slots, self._hand_back_personalizations)
        self._active: dict[str, ActiveAttempt] = {}  # by the token of the lease: a job may be here twice for a moment
        self._draining = threading.Event()
        self.closing = Closing(claims, self._draining)
        self.breakdown = Breakdown(self._hand_back_all, lambda: len(self._active))

    def work(self, kind: JobKind) -> None:
        """Run waiting jobs of a kind until none is left or no slot is free. A nudge calls this."""
        while not self._draining.is_set():
            try:
                attempt = self.taker.take(kind)
            except (RedisError, StorageUnavailableError) as error:
                log.warning("attempt.claim.failed", kind=kind, error=str(error))
                return  # the reconciler nudges again
            self.heed_nudges()
            if attempt is None:
                return
            self._wake_others(kind)
            self._run(attempt)

    def _wake_others(self, kind: JobKind) -> None:
        """Nudge once more if jobs stand in line that this worker has room for: one nudge may be all there was."""
        store = self.claims.store
        with suppress(RedisError):  # the reconciler nudges again
            if self.slots.has_room(kind) and store.live.lines.has_any(kind, list(self.claims.serves())):
                store.nudges.send(kind)

    def _hand_back_personalizations(self) -> None:
        """Make room soon: a personalization goes on from its checkpoint, here or elsewhere; edits end soon."""
        for active in self.active():
            if active.attempt.spec.kind == "personalize" and not active.alone:
                active.stop(CancelReason.HANDED_BACK)

    def heed_nudges(self) -> None:
        """Take the nudges of a kind with a free slot, and leave those of a full one to other workers."""
        for kind in self.slots.limits:
            self.heed(kind, self.slots.has_room(kind))

    def _run(self, attempt: Attempt) -> None:
        about = {"job": attempt.spec.id, "attempt": attempt.number, **attempt.spec.origin}
        with structlog.contextvars.bound_contextvars(**about):
            self._run_logged(attempt)

    def _run_logged(self, attempt: Attempt) -> None:
        active = self._active[attempt.token] = ActiveAttempt(attempt, alone=attempt.alone)
        self._note_change()
        started = time.monotonic()
        log.info("attempt.started", kind=attempt.spec.kind, alone=attempt.alone)
        probation = threading.Timer(PROBATION_S, self._end_probation, [active])
        probation.daemon = True
        if attempt.alone and attempt.crashes == 2:
            probation.start()
        try:
            outcome = self._try(active)
        finally:
            probation.cancel()
            del self._active[attempt.token]
            self.taker.give(active)
            self._note_change()
            self.heed_nudges()
        log.info("attempt.ended", outcome=outcome, seconds=round(time.monotonic() - started, 2))

    def _end_probation(self, active: ActiveAttempt) -> None:
        self.taker.end_probation(active)
        self.heed_nudges()

    def _note_change(self) -> None:
        """Write down what runs now, and have it told."""
        self.seat.note(self.attempts())
        self.changed()

    def _try(self, active: ActiveAttempt) -> str:
        """Run a job and commit its end; returns the outcome for the log."""
        attempt = active.attempt
        try:
            with self.models.use(attempt.spec.model_hash) as backbone:
                began = time.monotonic()
                work = work_for(attempt, backbone, self.claims)
                result, computing = self._through_engine(active, work, backbone)
                outcome = self.closing.commit(active, lambda: work.keep(result))
                if computing is not None:
                    aside = Aside(computing[0] - began, time.monotonic() - computing[1])
                    self.asides.note(backbone.hash, attempt.spec.kind, aside)
                return outcome
        except (HandedBackError, ModelLostError, StorageUnavailableError) as error:
            return self._give_back(active, error)
        except JobCanceledError:
            return self.closing.sweep(attempt)
        except Exception as error:  # whatever a job raises is its own end, never the worker's
            return self._fail(active, error)

    def _give_back(self, active: ActiveAttempt, error: TailorError) -> str:
        """Hand a job back for which this worker, not the job, is the reason to stop."""
        if isinstance(error, DeviceLostError):
            return self._lose_device(active, error)
        if isinstance(error, ModelLostError):  # nobody's job fails because this machine can't load a model
            lost = error.__cause__ is not None and fault_of(error.__cause__) is Fault.DEVICE_LOST
            self.break_down(error.detail, DEVICE_LOST_EXIT_CODE if lost else BROKEN_EXIT_CODE)
        elif isinstance(error, StorageUnavailableError):
            log.warning("attempt.storage_away", job=active.attempt.spec.id, error=error.detail)
        return self.closing.hand_back(active)

    def _fail(self, active: ActiveAttempt, error: Exception) -> str:
        """Commit a job's failure, unless it is the device's."""
        attempt = active.attempt
        if fault_of(error) is Fault.DEVICE_LOST:
            return self._lose_device(active, DeviceLostError(str(error)))
        problem, expected = problem_of(error), isinstance(error, TailorError)
        log.warning("attempt.failed", job=attempt.spec.id, error=problem.detail, exc_info=not expected)
        return self.closing.commit(active, lambda: failure(attempt, problem, self.claims.store.clock.now()))

    def _through_engine(
        self, active: ActiveAttempt, work: Work, backbone: Any
    ) -> tuple[Any, tuple[float, float] | None]:
        """Return what came out, and from when to when it took what forecasts know as steps, if there were several.

        An edit's pictures are decoded then, too. What a personalization does after its last step, they count as aside.
        """
        attempt, spec = active.attempt, active.attempt.spec
        params = spec.personalize or spec.edit
        active.ticket = self.engine.submit(
            work.routine(),
            backbone=backbone,
            kind=spec.kind,
            name=spec.id,
            deadline=time.monotonic() + (spec.deadline_at - self.claims.store.clock.now()).total_seconds(),
            exact_bucket=EXACT_BUCKET if params and params.exact else None,
            alone=attempt.alone,
        )
        if active.reason:  # it came before there was a ticket
            active.ticket.cancel(active.reason)
        progress = Progress(attempt, self.claims, checkpoint_s=self.settings.checkpoint_s)
        for report in active.ticket.reports():
            progress.note(report)
            active.share_done = report.step / report.steps
        try:
            result, steps = active.ticket.result(), progress.steps()
            return result, (steps[0], time.monotonic()) if steps and spec.kind == "edit" else steps
        except HandedBackError:
            progress.keep_checkpoint()
            raise

    def _lose_device(self, active: ActiveAttempt, error: DeviceLostError) -> str:
        """Hand a job back from a lost device, and end the process when all are.

        A job that may have lost it is left to its lease, and the attempt counts as a crash: it does not go on forever.
        """
        self.break_down(str(error), DEVICE_LOST_EXIT_CODE)
        if not error.suspect:
            return self.closing.hand_back(active)
        with suppress(StorageUnavailableError):
            self.claims.note_crash(active.attempt)
        return "left_to_its_lease"

    def break_down(self, reason: str, exit_code: int) -> None:
        """Take nothing more, and end this process once what runs is handed back: its machine is broken."""
        self._draining.set()
        self._resign()
        self.breakdown.begin(reason, exit_code)

    # From outside

    def cancel(self, job_id: str) -> None:
        """Stop a job that has ended from outside, if it runs here."""
        for active in self.active():
            if active.attempt.spec.id == job_id:
                active.stop(CancelReason.CANCELED)

    def lose(self, attempt: Attempt) -> None:
        """Stop an attempt whose lease another one has; a newer attempt at its job may run here, too."""
        if active := self._active.get(attempt.token):
            active.stop(CancelReason.CANCELED)

    def attempts(self) -> list[Attempt]:
        """Return the attempts whose leases must be kept."""
        return [active.attempt for active in self.active()]

    def active(self) -> list[ActiveAttempt]:
        """Return what runs here now."""
        return list(self._active.values())

    def drain(self) -> None:
        """Take nothing more, and hand back all that runs: each job's task checkpoints it and returns."""
        self._draining.set()
        self.engine.stop()
        self._resign()

    def _resign(self) -> None:
        """Let another worker make itself free for the jobs that must run alone."""
        with suppress(RedisError):  # then the election runs out
            self.claims.store.live.workers.resign(self.claims.worker_id)

    def _hand_back_all(self) -> None:
        for active in self.active():
            active.stop(CancelReason.HANDED_BACK)
