"""One attempt while it is on its way in this worker."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Any

from core.jobs.attempts import Attempt
from worker.engine import CancelReason, Ticket


@dataclass
class ActiveAttempt:
    """An attempt from before its model is loaded until its slot is free again."""

    attempt: Attempt
    alone: bool = False
    ticket: Ticket[Any] | None = None
    reason: CancelReason | None = None
    canceled: threading.Event = field(default_factory=threading.Event)
    share_done: float = 0.0  # of its steps
    began: float = field(default_factory=time.monotonic)

    def stop(self, reason: CancelReason) -> None:
        """Stop it within one call of the engine, or before it gets there; the first reason stands."""
        self.reason = self.reason or reason
        if reason is CancelReason.CANCELED:
            self.canceled.set()
        if self.ticket:
            self.ticket.cancel(reason)
