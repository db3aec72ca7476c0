"""Bounded sums of what requests take at once: one waits for its turn, the other refuses."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

from core.errors import OverloadedError

BODY_RETRY_S = 5
WORTH_A_CALL = 4 * 2**20  # bytes


class Room:
    """Room for a bounded sum of weights, given in the order of asking. For one event loop."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._taken = 0
        self._queue: deque[tuple[int, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def of(self, weight: int, patience_s: float) -> AsyncIterator[None]:
        """Hold so much room for the length of the block; raises TimeoutError if it isn't there in so many seconds.

        What weighs more than all the room has all of it for itself.
        """
        weight = min(weight, self._limit)
        await self._enter(weight, patience_s)
        try:
            yield
        finally:
            self._taken -= weight
            self._admit()

    async def _enter(self, weight: int, patience_s: float) -> None:
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append((weight, place))
        self._admit()
        try:
            if not place.done():
                await asyncio.wait([place], timeout=patience_s)
        except asyncio.CancelledError:
            self._withdraw(weight, place)
            raise
        if not place.done():
            self._withdraw(weight, place)
            raise TimeoutError

    def _withdraw(self, weight: int, place: asyncio.Future[None]) -> None:
        if place.done():  # it was admitted in the same moment
            self._taken -= weight
        place.cancel()
        self._admit()

    def _admit(self) -> None:
        while self._queue:
            weight, place = self._queue[0]
            if not place.cancelled():
                if self._taken + weight > self._limit:
                    return
                self._taken += weight
                place.set_result(None)
            self._queue.popleft()


class Tally:
    """The bytes of all bodies that are in hand; after many, calls `when_empty`. For one event loop.

    `setting` is what the problem calls the limit.
    """

    def __init__(
        self, limit: int, when_empty: Callable[[], object] = lambda: None, *, setting: str | None = None
    ) -> None:
        self._limit = limit
        self._setting = setting
        self._taken = 0
        self._most = 0
        self._when_empty = when_empty

    @contextmanager
    def share(self) -> Iterator[Callable[[int], None]]:
        """Yield what notes so many bytes more, and raises OverloadedError instead when they are too many.

        At the end of the block they all are given back.
        """
        mine = 0

        def take(amount: int) -> None:
            nonlocal mine
            if self._taken + amount > self._limit:
                detail = f"the bodies of all requests in hand are over {self._limit} bytes; send it again later"
                raise OverloadedError(detail, retry_after_s=BODY_RETRY_S, limit=self._limit, setting=self._setting)
            mine += amount
            self._taken += amount

        try:
            yield take
        finally:
            self._taken -= mine
            self._most = max(self._most, self._taken + mine)
            if not self._taken and self._most >= WORTH_A_CALL:
                self._most = 0
                self._when_empty()
