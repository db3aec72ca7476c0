"""Pick, call, resume: everybody's routines as batches on one thread."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from itertools import count
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, TypeVar

from core.diffusion.requests import EncodePrompt, Report, Request, Routine
from core.errors import InvalidInputError
from worker.engine.arrivals import Arrivals
from worker.engine.batching import Row, bucket_for, group_of, pick
from worker.engine.calls import Calls, Failure, Shortage
from worker.engine.device.faults import Fault, fault_of, may_be_a_jobs, may_be_lost
from worker.engine.device.threads import reserve_cores
from worker.engine.pace import Pace
from worker.engine.policy import Kind, Shares
from worker.engine.prompts import PromptCache
from worker.engine.run import Run
from worker.engine.stats import EngineStats, Meter
from worker.engine.ticket import Ticket
from worker.engine.waiting import WaitingRows

if TYPE_CHECKING:
    from core.diffusion.backbone import Backbone

log = logging.getLogger(__name__)
T = TypeVar("T")

IDLE_TICK_S = 1.0


class Engine:
    """Runs the routines of all users as batches on one device: routines say what, the engine when and with whom.

    One thread owns the device and drives every generator. A turn of it picks a batch, makes the call, and resumes the
    routines whose results came back; one joins or leaves between any two turns.
    """

    def __init__(
        self, *, max_batch: int = 16, num_threads: int | None = None, prompts: PromptCache | None = None
    ) -> None:
        """Make an engine whose calls have at most `max_batch` rows (a power of two); `num_threads` are torch's.

        With `num_threads` given, threads that come later do their operations in one thread each.
        """
        if max_batch < 1 or bucket_for(max_batch) != max_batch:
            raise InvalidInputError("max_batch", f"max_batch is {max_batch}; it must be a power of two")
        self.prompts = prompts or PromptCache()
        self.stopping = Event()  # set once `stop` was called
        self.pace = Pace()
        self._max_batch = max_batch
        self._num_threads = num_threads
        self._meter = Meter()
        self._calls = Calls(max_batch, self._meter, self.pace)
        self._shares = Shares()
        self._arrivals = Arrivals()
        self._runs: list[Run] = []
        self._waiting = WaitingRows()
        self._batch: list[Row] = []
        self._numbers = count()
        self._wake = Event()
        self._started = Event()
        self._lost = False
        self._thread = Thread(target=self._loop, name="engine", daemon=True)

    def start(self) -> None:
        """Start the engine's thread, and wait until torch's threads are its own."""
        self._thread.start()
        self._started.wait()

    def stop(self) -> None:
        """Hand every routine back, within one call, and wait for the thread's end."""
        self.stopping.set()
        self._wake.set()
        if self._thread.ident is None:
            self._close(Run.handed_back)
        else:
            self._thread.join()

    def submit(
        self,
        routine: Routine[T],
        *,
        backbone: Backbone,
        kind: Kind,
        name: str,
        deadline: float | None = None,
        exact_bucket: int | None = None,
        alone: bool = False,
    ) -> Ticket[T]:
        """Take a routine; it joins at the next call.

        `deadline` is a time of `time.monotonic`. `exact_bucket` pads all its calls to that many rows, so that it is
        equal bit for bit in any company. The rows of one that is `alone` share a batch with nobody.
        """
        if exact_bucket is not None and (bucket_for(exact_bucket) != exact_bucket or exact_bucket > self._max_batch):
            raise InvalidInputError(
                "exact_bucket", f"exact_bucket is {exact_bucket}; it must be a power of two up to {self._max_batch}"
            )
        ticket: Ticket[T] = Ticket(kind=kind, name=name, on_cancel=self._wake.set)
        self._arrivals.enter(Run(ticket, routine, backbone, deadline, exact_bucket, alone))
        self._wake.set()
        return ticket

    def stats(self) -> EngineStats:
        """Return a copy of the counters."""
        return self._meter.read(running=len(self._runs), waiting_rows=len(self._waiting))

    def speeds(self) -> dict[str, dict[str, dict[int, float]]]:
        """Return the seconds of a turn lately, by model, request and the rows of its call."""
        return self._meter.speeds()

    def is_stuck(self, stall_s: float) -> bool:
        """Tell whether it hangs or has died: no sign of life for `stall_s`, or for longer than the call may take."""
        if self._thread.is_alive():
            return self.pace.is_stuck(stall_s)
        return self._thread.ident is not None and not self.stopping.is_set() and not self._lost

    def _turn(self) -> None:
        """Do one round: pick, call, resume. The whole engine is here."""
        started = time.perf_counter()
        self._admit()
        self._batch = self._waiting.take(lambda rows: pick(rows, self._shares, self._calls.limit))
        results = self._call(self._batch)
        self._resume(self._batch, results)
        self._note_turn(self._batch, time.perf_counter() - started)

    def _admit(self) -> None:
        """Drop the runs that must not go on and start those that have arrived."""
        for run in list(self._runs):
            reason = run.stop_reason()
            if reason is not None:
                self._end(run, error=reason)
        arrived = self._arrivals.take()
        self._runs += arrived
        for run in arrived:
            self._advance(run)

    def _call(self, batch: Sequence[Row]) -> list[Any]:
        """Make the call, charge its kinds with the time, and return each row's result or Failure."""
        if not batch:
            return []
        started = time.perf_counter()
        results = self._calls.run(batch)
        seconds = (time.perf_counter() - started) / len(batch)
        for row in batch:
            self._shares.charge(row.kind, seconds)
            self._meter.served(row.kind, seconds)
        return results

    def _note_turn(self, batch: Sequence[Row], seconds: float) -> None:
        """Note how long a batch took with everything around its call."""
        if batch:
            group = batch[0].group
            rows = group.exact_bucket or bucket_for(len(batch))
            self._meter.turn(batch[0].run.backbone.hash, group.request.__name__, rows=rows, seconds=seconds)

    def _resume(self, batch: Sequence[Row], results: Sequence[Any]) -> None:
        """Give each row its result; runs that have all of theirs go on to their next requests."""
        for row, result in zip(batch, results, strict=True):
            if row.run.ticket.done:
                continue
            if isinstance(result, Failure):
                self._fail(row, result)
                continue
            if isinstance(row.request, EncodePrompt):
                self.prompts.put(row.run.backbone.hash, row.run.exact_bucket, row.request.text, result)
            row.run.answer(row.index, result)
            if row.run.answered:
                self._advance(row.run)

    def _fail(self, row: Row, failure: Failure) -> None:
        """End a row's run, unless memory was short while others ran: then the row waits until one of them has ended."""
        if isinstance(failure, Shortage):
            if len(self._runs) > 1 and self._waiting.set_aside(row):
                return
            if may_be_lost(failure.cause):
                raise failure.cause
        self._end(row.run, error=failure.error)

    def _advance(self, run: Run) -> None:
        """Drive a routine until it waits for a call or has ended."""
        while run.answered:
            reason = run.stop_reason()
            if reason is not None:
                return self._end(run, error=reason)
            try:
                for index, request in enumerate(run.step()):
                    self._ask(run, index, request)
            except StopIteration as stop:
                return self._end(run, result=stop.value)
            except BaseException as error:  # a routine's SystemExit is no reason to end the engine
                return self._end(run, error=error)
        return None

    def _ask(self, run: Run, index: int, request: Request) -> None:
        """Answer at once what needs no call; everything else waits for one."""
        if isinstance(request, Report):
            run.ticket.report(request)
            return run.answer(index, None)
        if isinstance(request, EncodePrompt):
            cached = self.prompts.get(run.backbone.hash, run.exact_bucket, request.text)
            if cached is not None:
                return run.answer(index, cached)
        return self._waiting.add(Row(run, index, request, next(self._numbers), group_of(run, request)))

    def _end(self, run: Run, *, result: Any = None, error: BaseException | None = None) -> None:
        """Close a run, take its rows out of the queue, and tell its submitter."""
        run.close()
        self._waiting.drop(run)
        self._runs.remove(run)
        self._meter.ended("succeeded" if error is None else type(error).__name__)
        if error is None:
            run.ticket.succeed(result)
        else:
            run.ticket.fail(error)

    def _loop(self) -> None:
        try:
            if self._num_threads is not None:
                reserve_cores(self._num_threads)
        finally:
            self._started.set()
        while not self.stopping.is_set() and not self._arrivals.closed:
            self.pace.tick()
            try:
                self._batch = []
                self._turn()
            except BaseException as error:  # whatever it is, the thread goes on: nobody else resumes the others' jobs
                self._contain(error)
            if not self._runs:
                self._wake.wait(IDLE_TICK_S)
            self._wake.clear()
        self._close(Run.handed_back)

    def _contain(self, error: BaseException) -> None:
        """End the runs that a bug in a turn concerns: those of the batch, or all if there was none yet.

        When the device is lost that is everybody, and the engine ends: each later call would fail as this one did.
        """
        concerned = {row.run for row in self._batch}
        if fault_of(error) is Fault.DEVICE_LOST or (isinstance(error, Exception) and may_be_lost(error)):
            log.error("engine.device_lost error=%r", error)
            self._lost = True
            return self._close(lambda run: run.lost(error, suspect=run in concerned and may_be_a_jobs(error)))
        log.error("engine.turn_failed", exc_info=error)
        for run in {run for run in concerned or self._runs if not run.ticket.done}:
            self._end(run, error=error)
        return None

    def _close(self, error_for: Callable[[Run], Exception]) -> None:
        """End everything, and whatever is submitted from now on, with an error each."""
        self._runs += self._arrivals.close(error_for)
        for run in list(self._runs):
            self._end(run, error=error_for(run))
