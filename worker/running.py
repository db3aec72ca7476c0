from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, get_args

from core.diffusion.requests import Job, Request
from worker.ticket import DeadlineExceededError, Ticket

if TYPE_CHECKING:
    from core.diffusion.backbone import Backbone

log = logging.getLogger(__name__)


@dataclass(eq=False)
class RunningJob:
    """A job's generator and what it waits for. Only the engine's thread touches it."""

    ticket: Ticket[Any]
    job: Job[Any]
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
        yielded = self.job.send(self._results[0] if self._single else tuple(self._results))
        self._single = not isinstance(yielded, tuple)
        requests = yielded if isinstance(yielded, tuple) else (yielded,)
        for request in requests:
            if not isinstance(request, get_args(Request)):
                raise TypeError(f"job {self.ticket.name} yielded {type(request).__name__}, which is no request")
        self._results = [None] * len(requests)
        self._missing = len(requests)
        return requests

    def answer(self, slot: int, result: Any) -> None:
        """Take the result of one of the requests."""
        self._results[slot] = result
        self._missing -= 1

    def stop_reason(self) -> Exception | None:
        """Return why the job must not go on: it was canceled, or its deadline has passed."""
        if self.ticket.cancel_reason is not None:
            return self.ticket.cancel_reason.error(self.ticket.name)
        if self.deadline is not None and time.monotonic() >= self.deadline:
            return DeadlineExceededError(f"job {self.ticket.name} did not end before its deadline")
        return None

    def close(self) -> None:
        """Close the generator; what it raises while closing is only logged."""
        try:
            self.job.close()
        except BaseException:  # also its SystemExit
            log.exception("job.close_failed name=%s", self.ticket.name)
