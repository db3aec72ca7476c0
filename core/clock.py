"""The time that all processes agree on: Redis', or while that was never heard, storage's."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

from redis.exceptions import RedisError

ASK_EVERY_S = 30.0
SLOW_S = 2.0  # an answer that took longer says little: this process may have stood still meanwhile
MOST_SKEW_S = 5.0  # a clock that is off by more is wrong


def utc_now() -> datetime:
    """Return this machine's own time, for what no other process must agree with (links that it signs and checks)."""
    return datetime.now(UTC)


class FleetClock:
    """Tells the fleet's time from a server's answers; this process' own clock may be wrong or be set meanwhile.

    Between two answers the monotonic clock carries the time on.
    """

    def __init__(self, ask: Callable[[], float], *, every_s: float = ASK_EVERY_S) -> None:
        """`ask` returns the server's time in seconds since 1970, or raises RedisError."""
        self._ask = ask
        self._every_s = every_s
        self._heard = time.time()
        self._heard_at = time.monotonic()
        self._asked_at = float("-inf")
        self._known = False
        self._lock = threading.Lock()

    def begin(self, server_s: float) -> None:
        """Take storage's time until Redis is heard."""
        with self._lock:
            if not self._known:
                self._heard, self._heard_at = server_s, time.monotonic()

    def now(self) -> datetime:
        """Return the fleet's time; asks the server now and then, and never fails."""
        return datetime.fromtimestamp(self.now_s(), UTC)

    def now_s(self) -> float:
        """Return the fleet's time in seconds since 1970."""
        if time.monotonic() - self._asked_at >= self._every_s:
            self._listen()
        return self._heard + time.monotonic() - self._heard_at

    @property
    def skew_s(self) -> float:
        """By how much this process' own clock is ahead of the fleet's, in seconds; asks the server now and then."""
        return time.time() - self.now_s()

    def _listen(self) -> None:
        with self._lock:
            before = self._asked_at = time.monotonic()
            try:
                server_s = self._ask()
            except RedisError:
                return
            if time.monotonic() - before > SLOW_S:
                return
            self._heard_at = (before + time.monotonic()) / 2
            self._heard, self._known = server_s, True


def is_wrong(skew_s: float) -> bool:
    """Tell whether a clock that is off by so much should be set right."""
    return abs(skew_s) > MOST_SKEW_S
