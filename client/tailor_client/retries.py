"""When a request is tried again. Pure: nothing here waits, asks the time or draws without being told how."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

PASSING = frozenset({429, 502, 503, 504})  # statuses that may be gone at the next try
REFUSED = frozenset({429, 503})  # those of them with which nothing was done


@dataclass(frozen=True)
class Retries:
    """At most so many tries, and so many seconds of waiting for one request, a server's Retry-After included.

    The pauses double from `first_s`, each shortened by chance by up to half, so that clients don't come back together.
    """

    tries: int = 6
    patience_s: float = 60.0
    first_s: float = 0.5
    longest_s: float = 15.0
    chance: Callable[[], float] = field(default=random.random, repr=False)

    def pause_s(self, tried: int, waited_s: float, asked_s: float | None) -> float | None:
        """Return how long to wait before the next try, after so many tries and so much waiting; None: give up.

        `asked_s` is what the server wants to be waited for.
        """
        if tried >= self.tries:
            return None
        pause = min(self.longest_s, self.first_s * 2 ** (tried - 1)) * (1 - self.chance() / 2)
        pause = max(pause, asked_s or 0.0)
        return pause if waited_s + pause <= self.patience_s else None

    def within(self, seconds: float | None) -> Retries:
        """Return the same with no more patience than there is time; None: as it is."""
        return self if seconds is None else replace(self, patience_s=min(self.patience_s, seconds))


NEVER = Retries(tries=1)


def retry_after_s(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Return what Retry-After asks for, in seconds: a number there, or a date."""
    value = headers.get("Retry-After")
    if value is None:
        return None
    if value.isdecimal():
        return float(value)
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (at.astimezone(UTC) - (now or datetime.now(UTC))).total_seconds())
