"""Which kinds' nudges this worker consumes: a full worker leaves them to others, which then get the job at once."""

from __future__ import annotations

import threading
from typing import Any

from core.jobs.records import KINDS, JobKind


class Consumption:
    """Tells Celery's consumer which queues to take messages from. Safe in any thread.

    Until something is said of a kind, its nudges are left alone: a worker that has loaded no model can't use them.
    """

    def __init__(self) -> None:
        self._consumer: Any = None
        self._wanted: dict[JobKind, bool] = dict.fromkeys(KINDS, False)
        self._lock = threading.Lock()

    def attach(self, consumer: Any) -> None:
        """Take Celery's consumer (again after each reconnection) and tell it what is wanted."""
        with self._lock:
            self._consumer = consumer
        for kind in KINDS:
            self._tell(kind)

    def want(self, kind: JobKind, wanted: bool) -> None:
        """Consume a kind's nudges from now on, or leave them to others."""
        with self._lock:
            if self._wanted[kind] == wanted:
                return
            self._wanted[kind] = wanted
        self._tell(kind)

    def _tell(self, kind: JobKind) -> None:
        if self._consumer is not None:
            self._consumer.call_soon(self._apply, kind)

    def _apply(self, kind: JobKind) -> None:
        """Do what is wanted by now; runs on the consumer's own thread."""
        if self._consumer.task_consumer is None:
            return  # it is being connected again, and attached then
        if self._wanted[kind]:
            self._consumer.add_task_queue(kind)
        elif self._consumer.task_consumer.consuming_from(kind):
            self._consumer.cancel_task_queue(kind)
