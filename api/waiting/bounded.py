"""Questions to Redis that may cost a second at most, some at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

LIMIT_S = 1.0
TICKS = 20  # a loop that is late with everything is not taken for a Redis that does not answer
AT_ONCE = 24  # fewer than there are connections: one is the watcher's
AWAY = (RedisError, OSError)  # what a question raises while Redis is away; a timeout is an OSError


class Questions:
    """The questions of all waiters of this process: each waits for its turn, and only then its second begins.

    A thousand at once would otherwise be taken for a Redis that does not answer. For one event loop.
    """

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._away_until = float("-inf")

    async def ask(self, question: Callable[[], Awaitable[Any]]) -> Any:
        """Return Redis' answer; raises one of AWAY, TimeoutError among them.

        Who waited for his turn while others waited in vain for Redis does not do so as well. redis-py types its
        commands for both its clients at once, so the caller says what the answer is.
        """
        waited = self._turns.locked()
        async with self._turns:
            if waited and time.monotonic() < self._away_until:
                raise TimeoutError
            try:
                return await _answer(question())
            except (RedisConnectionError, OSError):
                self._away_until = time.monotonic() + LIMIT_S
                raise


async def _answer(question: Awaitable[Any]) -> Any:
    asked = asyncio.ensure_future(question)
    try:
        for _ in range(TICKS):
            if (await asyncio.wait([asked], timeout=LIMIT_S / TICKS))[0]:
                return asked.result()
        raise TimeoutError("Redis has not answered")
    finally:
        asked.cancel()
