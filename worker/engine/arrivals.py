"""Where runs come in from other threads, until the engine closes."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

from worker.engine.run import Run


class Arrivals:
    """The runs that were submitted and are not in the engine yet. Safe in any thread."""

    def __init__(self) -> None:
        self._runs: list[Run] = []
        self._lock = Lock()
        self._error_for: Callable[[Run], Exception] | None = None

    @property
    def closed(self) -> bool:
        """Whether nothing is taken any more."""
        return self._error_for is not None

    def enter(self, run: Run) -> None:
        """Take a run in, or fail its ticket if this is closed."""
        with self._lock:
            if self._error_for is None:
                self._runs.append(run)
            else:
                run.ticket.fail(self._error_for(run))

    def take(self) -> list[Run]:
        """Take out all that have come, in their order."""
        with self._lock:
            runs, self._runs = self._runs, []
        return runs

    def close(self, error_for: Callable[[Run], Exception]) -> list[Run]:
        """Take out all that have come; who comes later gets an error. The first close stands."""
        with self._lock:
            self._error_for = self._error_for or error_for
        return self.take()
