"""What the submitter of a routine holds: its reports, its result, the means to cancel it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from enum import StrEnum
from threading import Condition
from typing import Generic, TypeVar

from core.diffusion.requests import Report
from core.errors import TailorError
from worker.engine.policy import Kind

T = TypeVar("T")


class JobCanceledError(TailorError):
    """The job was canceled while it ran."""

    status, type, title = 409, "canceled", "Job canceled"


class HandedBackError(TailorError):
    """The engine stops; the job is to be tried again elsewhere and this costs it no attempt."""

    status, type, title = 503, "handed-back", "Job handed back"


class DeviceLostError(HandedBackError):
    """The device is lost, with everything on it; the process must end and the job be tried again elsewhere.

    `suspect` says that the job was in the call that lost it, and may be why.
    """

    title = "Device lost"

    def __init__(self, detail: str, *, suspect: bool = False) -> None:
        super().__init__(detail)
        self.suspect = suspect


class DeadlineExceededError(TailorError):
    """The job ran for longer than it may."""

    status, type, title = 504, "deadline-exceeded", "Deadline exceeded"


class DeviceMemoryError(TailorError):
    """Even a single row of the job does not fit into the device's memory."""

    status, type, title = 507, "out-of-memory", "Out of device memory"


class CancelReason(StrEnum):
    """Why a routine is taken from the engine before its end."""

    CANCELED = "canceled"
    HANDED_BACK = "handed_back"

    def error(self, name: str) -> TailorError:
        """Return what `Ticket.result` raises."""
        if self is CancelReason.CANCELED:
            return JobCanceledError(f"job {name} was canceled")
        return HandedBackError(f"job {name} was handed back")


class Ticket(Generic[T]):
    """Gives a routine's submitter its reports, its result, and the means to cancel it. Safe in any thread."""

    def __init__(self, *, kind: Kind, name: str, on_cancel: Callable[[], None] = lambda: None) -> None:
        self.kind: Kind = kind
        self.name = name
        self.cancel_reason: CancelReason | None = None
        self._on_cancel = on_cancel
        self._changed = Condition()
        self._reports: deque[Report] = deque()
        self._result: list[T] = []
        self._error: BaseException | None = None

    @property
    def done(self) -> bool:
        """Whether the routine has ended, in whatever way."""
        return bool(self._result) or self._error is not None

    def reports(self) -> Iterator[Report]:
        """Yield the routine's reports as they come, and end with it.

        A reader who is late misses plain progress and older checkpoints, but never the newest of both.
        """
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._reports) or self.done)
                if not self._reports:
                    return
                report = self._reports.popleft()
            yield report

    def result(self, timeout: float | None = None) -> T:
        """Wait for the end of the routine, at most `timeout` seconds, and return what it returned.

        Raises what it raised, or JobCanceledError, HandedBackError (DeviceLostError is one), DeadlineExceededError,
        DeviceMemoryError; TimeoutError while it still runs.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self.done, timeout):
                raise TimeoutError(f"job {self.name} still runs after {timeout} s")
        if self._error is not None:
            raise self._error
        return self._result[0]

    def cancel(self, reason: CancelReason = CancelReason.CANCELED) -> None:
        """Ask the engine to close the routine, which it does within one call; the first reason stands."""
        with self._changed:
            self.cancel_reason = self.cancel_reason or reason
        self._on_cancel()

    def report(self, report: Report) -> None:
        """Pass a report on to whoever reads `reports`; the engine calls this."""
        with self._changed:
            if report.checkpoint is not None:
                self._reports.clear()
            elif self._reports and self._reports[-1].checkpoint is None:
                self._reports.pop()
            self._reports.append(report)
            self._changed.notify_all()

    def succeed(self, result: T) -> None:
        """End the ticket with the routine's result; the engine calls this."""
        with self._changed:
            self._result.append(result)
            self._changed.notify_all()

    def fail(self, error: BaseException) -> None:
        """End the ticket with an error; the engine calls this."""
        with self._changed:
            self._error = error
            self._changed.notify_all()
