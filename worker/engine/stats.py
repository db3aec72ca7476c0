"""What an engine has done: calls, rows and seconds, for the metrics."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from threading import Lock


@dataclass
class CallStats:
    """Calls of one kind of request: how many, with how many real and padding rows, in how many seconds."""

    calls: int = 0
    rows: int = 0
    padded_rows: int = 0
    seconds: float = 0.0

    @property
    def mean_batch_size(self) -> float:
        """Real rows per call."""
        return self.rows / self.calls if self.calls else 0.0


@dataclass
class EngineStats:
    """What an engine has done since its start.

    `requests` is by request name (`NoiseLoss`, `PredictNoise`, …), `seconds` is device time by kind, `ended` counts
    ended routines by outcome (`succeeded`, or the name of the error); `running` and `waiting_rows` are of the moment.
    """

    requests: dict[str, CallStats] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    ended: dict[str, int] = field(default_factory=dict)
    out_of_memory: int = 0
    running: int = 0
    waiting_rows: int = 0

    @property
    def unet(self) -> CallStats:
        """The calls of the UNet, with and without a gradient, together."""
        calls = [self.requests[name] for name in ("NoiseLoss", "PredictNoise") if name in self.requests]
        return CallStats(
            sum(call.calls for call in calls),
            sum(call.rows for call in calls),
            sum(call.padded_rows for call in calls),
            sum(call.seconds for call in calls),
        )

    @property
    def mean_batch_size(self) -> float:
        """Real rows per UNet call."""
        return self.unet.mean_batch_size


class Meter:
    """Collects an engine's statistics. The engine's thread writes, any thread reads."""

    def __init__(self) -> None:
        self._stats = EngineStats()
        self._lock = Lock()

    def call(self, request: str, *, rows: int, bucket: int, seconds: float) -> None:
        """Note a call that succeeded."""
        with self._lock:
            call = self._stats.requests.setdefault(request, CallStats())
            call.calls += 1
            call.rows += rows
            call.padded_rows += bucket - rows
            call.seconds += seconds

    def served(self, kind: str, seconds: float) -> None:
        """Note device time that a kind has used."""
        with self._lock:
            self._stats.seconds[kind] = self._stats.seconds.get(kind, 0.0) + seconds

    def ended(self, outcome: str) -> None:
        """Note a routine's end."""
        with self._lock:
            self._stats.ended[outcome] = self._stats.ended.get(outcome, 0) + 1

    def out_of_memory(self) -> None:
        """Note a call that ran out of memory."""
        with self._lock:
            self._stats.out_of_memory += 1

    def read(self, *, running: int, waiting_rows: int) -> EngineStats:
        """Return a copy, together with what is so at the moment."""
        with self._lock:
            stats = deepcopy(self._stats)
        stats.running, stats.waiting_rows = running, waiting_rows
        return stats
