"""An answer that one fetches and all who ask share."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Shared(Generic[T]):
    """The outcome of one question, asked once at a time and again only after `max_age_s`. For one event loop."""

    def __init__(self, ask: Callable[[], Awaitable[T]], *, max_age_s: float = 0.0) -> None:
        self._ask = ask
        self._max_age_s = max_age_s
        self._asking: asyncio.Task[T] | None = None
        self._ended_at = 0.0
        self._worked_at = float("-inf")

    async def answer(self, patience_s: float) -> T:
        """Return the answer or raise what came of the question; raises TimeoutError when it takes longer than that.

        The question goes on then: who asks next may find it answered.
        """
        if self._asking is None or (self._asking.done() and time.monotonic() - self._ended_at >= self._max_age_s):
            self._asking = asyncio.create_task(self._noted())
        asking = self._asking
        await asyncio.wait([asking], timeout=patience_s)
        if not asking.done():
            raise TimeoutError
        return asking.result()

    def worked_within(self, seconds: float) -> bool:
        """Tell whether the question was answered not longer ago than that."""
        return time.monotonic() - self._worked_at <= seconds

    async def _noted(self) -> T:
        try:
            answer = await self._ask()
            self._worked_at = time.monotonic()
            return answer
        finally:
            self._ended_at = time.monotonic()
