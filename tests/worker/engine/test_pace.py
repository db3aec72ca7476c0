"""Whether a call takes too long, on a clock that only the test moves."""

from __future__ import annotations

import pytest

from worker.engine.pace import FIRST_CALL, MARGIN, Pace

STALL_S = 300.0


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pace(clock: Clock) -> Pace:
    return Pace(clock)


def take(pace: Pace, clock: Clock, rows: int, seconds: float, size: str = "unet") -> None:
    with pace.during(size, rows):
        clock.now += seconds


def take_and_raise(pace: Pace, clock: Clock, seconds: float) -> None:
    with pace.during("unet", 1):
        clock.now += seconds
        raise ValueError("no")


def longest(pace: Pace, clock: Clock, rows: int, size: str = "unet") -> float:
    """Return for how long a call may run before it counts as stuck, to the second."""
    began = clock.now
    pace.begin(size, rows)
    while not pace.is_stuck(STALL_S):
        clock.now += 1
    seconds = clock.now - began
    pace.end(succeeded=False)
    return seconds - 1


def test_between_calls_only_the_stall_counts(pace: Pace, clock: Clock) -> None:
    clock.now += STALL_S
    assert not pace.is_stuck(STALL_S)
    clock.now += 1
    assert pace.is_stuck(STALL_S)
    pace.tick()
    assert not pace.is_stuck(STALL_S)


def test_the_first_call_of_a_size_may_compile(pace: Pace, clock: Clock) -> None:
    assert longest(pace, clock, rows=1) == FIRST_CALL * STALL_S


def test_sixteen_rows_of_a_slow_model_are_not_stuck_however_they_come(pace: Pace, clock: Clock) -> None:
    per_row = 35.0
    for rows in (1, 1, 2, 16, 16, 16):
        assert longest(pace, clock, rows) >= 1.9 * rows * per_row
        take(pace, clock, rows, rows * per_row)
    assert longest(pace, clock, 16) == MARGIN * 16 * per_row


def test_a_call_of_a_known_size_that_hangs_is_stuck_after_the_stall(pace: Pace, clock: Clock) -> None:
    for _ in range(3):
        take(pace, clock, rows=8, seconds=0.5)
    assert longest(pace, clock, rows=8) == STALL_S
    assert longest(pace, clock, rows=8, size="vae") == FIRST_CALL * STALL_S


def test_compiling_teaches_nothing(pace: Pace, clock: Clock) -> None:
    take(pace, clock, rows=1, seconds=900)
    take(pace, clock, rows=1, seconds=1)
    assert longest(pace, clock, rows=1) == STALL_S


def test_a_call_that_raises_teaches_nothing_and_ends(pace: Pace, clock: Clock) -> None:
    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            take_and_raise(pace, clock, seconds=10_000)
    assert pace.call is None
    assert not pace.is_stuck(STALL_S)
    assert longest(pace, clock, rows=1) == FIRST_CALL * STALL_S


def test_a_machine_that_slept_once_is_no_measure_for_ever(pace: Pace, clock: Clock) -> None:
    for seconds in (1, 1, 50_000):
        take(pace, clock, rows=1, seconds=seconds)
    assert pace.is_stuck(STALL_S) is False
    for _ in range(600):
        take(pace, clock, rows=1, seconds=1)
    assert longest(pace, clock, rows=1) == STALL_S


def test_what_the_engine_is_doing_can_be_read_while_it_does_it(pace: Pace, clock: Clock) -> None:
    for _ in range(2):
        take(pace, clock, rows=4, seconds=2)
    with pace.during("unet", 4):
        call = pace.call
        assert call is not None
        assert (call.rows, call.began, call.expected_s) == (4, clock.now, 2)
    assert pace.call is None
