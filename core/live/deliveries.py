"""The webhook deliveries that are owed, by when their next attempt is due."""

from __future__ import annotations

from datetime import datetime
from typing import cast

import redis

from core.live import names
from core.live.scripts import Scripts


class DueDeliveries:
    """A sorted set by time in ms; filled again from the markers in storage when it is lost."""

    def __init__(self, client: redis.Redis, scripts: Scripts) -> None:
        self._client = client
        self._scripts = scripts

    def add(self, ref: str, due_at: datetime) -> None:
        """Note when a delivery is due unless it is noted already, and perhaps under way."""
        self._client.zadd(names.DELIVERIES, {ref: _ms(due_at)}, nx=True)

    def take(self, count: int, lease_s: float) -> list[str]:
        """Return deliveries that are due, the longest due first; nobody else gets them for `lease_s`."""
        return cast("list[str]", self._scripts.run("due", [names.DELIVERIES], count, int(lease_s * 1000)))

    def put_off(self, ref: str, due_at: datetime) -> None:
        """Note that a delivery is due at another time."""
        self._client.zadd(names.DELIVERIES, {ref: _ms(due_at)})

    def drop(self, ref: str) -> None:
        """Forget a delivery that is over."""
        self._client.zrem(names.DELIVERIES, ref)

    def known(self, refs: list[str]) -> list[bool]:
        """Return for each delivery whether it is noted."""
        return [score is not None for score in self._client.zmscore(names.DELIVERIES, refs)] if refs else []

    def count(self) -> int:
        """Return how many are owed."""
        return int(self._client.zcard(names.DELIVERIES))


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)
