"""How long calls take, and whether the one under way takes too long."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock

MARGIN = 4.0  # a call may take so many times what its rows have taken at worst
FIRST_CALL = 4.0  # a call that nothing is known of, which may compile, may take so many times `stall_s`
FORGETTING = 0.98  # of the slowest row, per call: a machine that slept once is no measure for ever


@dataclass(frozen=True)
class Call:
    """The call under way: its size and rows, when it began, and the seconds it is expected to take at most.

    `expected_s` is None for the first calls of a size or a bucket, which may compile.
    """

    size: Hashable
    rows: int
    began: float
    expected_s: float | None


class Pace:
    """Knows what the engine is doing and how long that may take. The engine's thread writes, any thread reads.

    The first call of each bucket teaches nothing: with it may go minutes of compiling.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._row_seconds: dict[Hashable, float] = {}
        self._buckets: set[tuple[Hashable, int]] = set()
        self._last_tick = clock()
        self._call: Call | None = None

    @property
    def last_tick(self) -> float:
        """When the engine gave its last sign of life, by the clock."""
        return self._last_tick

    @property
    def call(self) -> Call | None:
        """The call under way, if any."""
        return self._call

    def tick(self) -> None:
        """Give a sign of life."""
        self._last_tick = self._clock()

    @contextmanager
    def during(self, size: Hashable, rows: int) -> Iterator[None]:
        """Note a call of so many rows while this block runs; one that raises teaches nothing."""
        self.begin(size, rows)
        try:
            yield
        except BaseException:
            self.end(succeeded=False)
            raise
        self.end(succeeded=True)

    def begin(self, size: Hashable, rows: int) -> None:
        """Begin a call of so many rows; rows of one `size` are alike."""
        per_row = self._row_seconds.get(size) if (size, rows) in self._buckets else None
        with self._lock:
            self.tick()
            self._call = Call(size, rows, self._last_tick, None if per_row is None else per_row * rows)

    def end(self, *, succeeded: bool) -> None:
        """End the call under way; one that failed teaches nothing."""
        with self._lock:
            call, self._call = self._call, None
            self.tick()
        if call is None or not succeeded:
            return
        seconds, known = (self._last_tick - call.began) / call.rows, self._row_seconds.get(call.size, 0.0)
        if (call.size, call.rows) in self._buckets:
            self._row_seconds[call.size] = max(seconds, FORGETTING * known)
        self._buckets.add((call.size, call.rows))

    def is_stuck(self, stall_s: float) -> bool:
        """Tell whether the engine gives no sign of life for longer than it may.

        That is `stall_s` between calls. A call may take longer if its rows have taken long before, or if it is one of
        the first of its kind.
        """
        with self._lock:
            call, last = self._call, self._last_tick
        limit = stall_s if call is None else max(stall_s, self._limit(call, stall_s))
        return self._clock() - last > limit

    def _limit(self, call: Call, stall_s: float) -> float:
        if call.expected_s is not None:
            return MARGIN * call.expected_s
        return max(FIRST_CALL * stall_s, MARGIN * call.rows * self._row_seconds.get(call.size, 0.0))
