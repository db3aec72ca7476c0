from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from api.intake.room import WORTH_A_CALL, Room, Tally
from core.errors import OverloadedError

LONG_S = 60.0


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(scenario)


class Holder:
    """Takes room and keeps it until it is told to leave."""

    def __init__(self, room: Room, weight: int, patience_s: float = LONG_S) -> None:
        self.inside, self._leave = asyncio.Event(), asyncio.Event()
        self.task = asyncio.create_task(self._hold(room, weight, patience_s))

    async def _hold(self, room: Room, weight: int, patience_s: float) -> None:
        async with room.of(weight, patience_s):
            self.inside.set()
            await self._leave.wait()

    async def leave(self) -> None:
        self._leave.set()
        await self.task


async def settled() -> None:
    """Let all that can go on go on."""
    for _ in range(10):
        await asyncio.sleep(0)


def test_room_is_given_in_the_order_of_asking_so_that_a_heavy_one_is_not_passed_by_for_ever() -> None:
    async def scenario() -> None:
        room = Room(10)
        first, heavy, light = Holder(room, 6), Holder(room, 6), Holder(room, 1)
        await settled()
        assert [h.inside.is_set() for h in (first, heavy, light)] == [True, False, False]
        await first.leave()
        await settled()
        assert heavy.inside.is_set()
        assert light.inside.is_set()
        await heavy.leave()
        await light.leave()

    run(scenario())


def test_what_is_heavier_than_all_the_room_has_it_alone() -> None:
    async def scenario() -> None:
        room = Room(10)
        giant, light = Holder(room, 1000), Holder(room, 1)
        await settled()
        assert giant.inside.is_set()
        assert not light.inside.is_set()
        await giant.leave()
        await light.inside.wait()
        await light.leave()

    run(scenario())


def test_who_gave_up_or_was_canceled_leaves_no_room_taken_and_blocks_nobody() -> None:
    async def scenario() -> None:
        room = Room(10)
        first, impatient, canceled = Holder(room, 8), Holder(room, 9, patience_s=0), Holder(room, 9)
        await settled()
        behind = Holder(room, 2)
        with pytest.raises(TimeoutError):
            await impatient.task
        canceled.task.cancel()
        await behind.inside.wait()
        await first.leave()
        await behind.leave()
        async with room.of(10, 0):
            pass

    run(scenario())


def test_who_is_canceled_in_the_moment_in_which_he_is_admitted_gives_the_room_back() -> None:
    async def scenario() -> None:
        room = Room(10)
        first, second = Holder(room, 10), Holder(room, 10)
        await settled()
        first._leave.set()
        await first.task
        second.task.cancel()  # it was admitted, but has not run since
        await asyncio.wait([second.task])
        assert second.task.cancelled()
        async with room.of(10, 0):
            pass

    run(scenario())


def test_a_tally_refuses_at_once_what_is_too_much_and_forgets_what_is_over() -> None:
    tally = Tally(100)
    with tally.share() as mine:
        mine(60)
        with tally.share() as others:
            others(30)
            with pytest.raises(OverloadedError) as caught:
                others(30)
        assert (caught.value.status, caught.value.extra["limit"]) == (503, 100)
        mine(40)
    with tally.share() as mine:
        mine(100)


def test_a_tally_tells_when_it_is_empty_after_many_bytes_and_not_after_few() -> None:
    emptied: list[bool] = []
    tally = Tally(2 * WORTH_A_CALL, lambda: emptied.append(True))
    with tally.share() as few:
        few(WORTH_A_CALL - 1)
    assert emptied == []
    with tally.share() as some:
        some(WORTH_A_CALL // 2)
        with tally.share() as others:
            others(WORTH_A_CALL // 2)
        assert emptied == []
    assert emptied == [True]
