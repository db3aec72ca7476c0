"""How long jobs take beside their steps: reading and encoding before the first one, writing after the last one."""

from __future__ import annotations

import threading
from typing import NamedTuple

from core.jobs.records import JobKind

AVERAGED = 8  # about so many jobs


class Aside(NamedTuple):
    """Seconds before a job's first step, and after its steps and its decoding."""

    before_s: float
    after_s: float


class Asides:
    """Running averages by model and kind. Safe in many threads."""

    def __init__(self) -> None:
        self._averages: dict[str, dict[JobKind, tuple[int, Aside]]] = {}
        self._lock = threading.Lock()

    def note(self, model_hash: str, kind: JobKind, took: Aside) -> None:
        """Take in what one job took."""
        with self._lock:
            of_it = self._averages.setdefault(model_hash, {})
            count, average = of_it.get(kind, (0, Aside(0.0, 0.0)))
            count = min(count + 1, AVERAGED)
            moved = (old + (max(0.0, new) - old) / count for old, new in zip(average, took, strict=True))
            of_it[kind] = count, Aside(*moved)

    def of(self, model_hash: str) -> dict[JobKind, Aside]:
        """Return the seconds of each kind with one model."""
        with self._lock:
            return {kind: average for kind, (_, average) in self._averages.get(model_hash, {}).items()}
