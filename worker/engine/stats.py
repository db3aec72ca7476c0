"""What an engine has done: calls, rows and seconds, for the metrics."""

from __future__ import annotations

import math
from copy import deepcopy
from dataclasses import dataclass, field
from threading import Lock

LATELY_S = 20.0  # so far back reaches what says how fast the machine is just now
AVERAGED = 100  # turns of one size


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


@dataclass
class _Size:
    """Turns of one request with so many rows: how many, and their seconds at the pace that is usual here."""

    turns: int = 0
    usual_s: float = 0.0


class Speeds:
    """How many seconds a turn of the engine takes, by model, request and the rows of its call, as of lately.

    The time between calls is part of a turn. What turns take compared with each other hardly changes, and is averaged
    over many; how fast the machine is just now is one number for all, from the turns of the last seconds. So what was
    not done for a while keeps up with the machine. The first turn of a size teaches nothing: it may compile.
    """

    def __init__(self) -> None:
        self._sizes: dict[tuple[str, str, int], _Size] = {}
        self._took_s = self._usually_s = 0.0  # the turns of the last seconds, older ones counting less and less

    def note(self, model_hash: str, request: str, rows: int, seconds: float) -> None:
        """Take in a turn."""
        size = self._sizes.setdefault((model_hash, request, rows), _Size(-1))
        size.turns += 1
        if size.turns > 1:
            forgetting = math.exp(-seconds / LATELY_S)
            self._took_s = forgetting * self._took_s + seconds
            self._usually_s = forgetting * self._usually_s + size.usual_s
        if size.turns:
            size.usual_s += (seconds / self._pace - size.usual_s) / min(size.turns, AVERAGED)

    @property
    def _pace(self) -> float:
        """How many times longer than is usual here everything takes just now."""
        return self._took_s / self._usually_s if self._usually_s else 1.0

    def read(self) -> dict[str, dict[str, dict[int, float]]]:
        """Return the seconds by model, request and rows."""
        found: dict[str, dict[str, dict[int, float]]] = {}
        for (model_hash, request, rows), size in self._sizes.items():
            if size.turns:
                found.setdefault(model_hash, {}).setdefault(request, {})[rows] = size.usual_s * self._pace
        return found


class Meter:
    """Collects an engine's statistics. The engine's thread writes, any thread reads."""

    def __init__(self) -> None:
        self._stats = EngineStats()
        self._speeds = Speeds()
        self._lock = Lock()

    def turn(self, model_hash: str, request: str, *, rows: int, seconds: float) -> None:
        """Note a whole turn, with what lies between its call and the one before."""
        with self._lock:
            self._speeds.note(model_hash, request, rows, seconds)

    def speeds(self) -> dict[str, dict[str, dict[int, float]]]:
        """Return the seconds of a turn by model, request and rows."""
        with self._lock:
            return self._speeds.read()

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
