"""How long jobs take beside what the engine computes for them: reading, encoding, waiting for a turn, writing."""

from __future__ import annotations

import threading

from core.jobs.records import JobKind

AVERAGED = 8  # about so many jobs


class Asides:
    """A running average by model and kind. Safe in many threads."""

    def __init__(self) -> None:
        self._seconds: dict[str, dict[JobKind, tuple[int, float]]] = {}
        self._lock = threading.Lock()

    def note(self, model_hash: str, kind: JobKind, seconds: float) -> None:
        """Take in what one job took."""
        with self._lock:
            of_it = self._seconds.setdefault(model_hash, {})
            count, average = of_it.get(kind, (0, 0.0))
            count = min(count + 1, AVERAGED)
            of_it[kind] = count, average + (max(0.0, seconds) - average) / count

    def of(self, model_hash: str) -> dict[JobKind, float]:
        """Return the seconds of each kind with one model."""
        with self._lock:
            return {kind: average for kind, (_, average) in self._seconds.get(model_hash, {}).items()}
