"""One routine in the engine: its generator, and the results that it waits for."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, get_args

from core.diffusion.requests import Request, Routine
from worker.engine.ticket import CancelReason, DeadlineExceededError, DeviceLostError, Ticket

if TYPE_CHECKING:
    from core.diffusion.backbone import Backbone

log = logging.getLogger(__name__)


@dataclass(eq=False)
class Run:
    """A routine on its way through the engine. Only the engine's thread touches it."""

    ticket: Ticket[Any]
    routine: Routine[Any]
    backbone: Backbone
    deadline: float | None = None
    exact_bucket: int | None = None
    alone: bool = False
    _single: bool = True
    _results: list[Any] = field(default_factory=lambda: [None])
    _missing: int = 0

    @property
    def answered(self) -> bool:
        """Whether all results that it asked for are there, so that it can go on."""
        return self._missing == 0

    def step(self) -> tuple[Request, ...]:
        """Resume the generator with its results and return what it asks for next; StopIteration carries its result."""
        yielded = self.routine.send(self._results[0] if self._single else tuple(self._results))
        self._single = not isinstance(yielded, tuple)
        requests = yielded if isinstance(yielded, tuple) else (yielded,)
        for request in requests:
            if not isinstance(request, get_args(Request)):
                raise TypeError(f"routine {self.ticket.name} yielded {type(request).__name__}, which is no request")
        self._results = [None] * len(requests)
        self._missing = len(requests)
        return requests

    def answer(self, index: int, result: Any) -> None:
        """Take the result of one of the requests."""
        self._results[index] = result
        self._missing -= 1

    def stop_reason(self) -> Exception | None:
        """Return why the routine must not go on: it was canceled, or its deadline has passed."""
        if self.ticket.cancel_reason is not None:
            return self.ticket.cancel_reason.error(self.ticket.name)
        if self.deadline is not None and time.monotonic() >= self.deadline:
            return DeadlineExceededError(f"job {self.ticket.name} did not end before its deadline")
        return None

    def handed_back(self) -> Exception:
        """Return what its submitter gets when the engine stops."""
        return CancelReason.HANDED_BACK.error(self.ticket.name)

    def lost(self, error: BaseException, *, suspect: bool) -> Exception:
        """Return what its submitter gets when the device is lost."""
        return DeviceLostError(f"the device is lost: {error}"[:500], suspect=suspect)

    def close(self) -> None:
        """Close the generator; what it raises while closing is only logged."""
        try:
            self.routine.close()
        except BaseException:  # also its SystemExit
            log.exception("routine.close_failed name=%s", self.ticket.name)
