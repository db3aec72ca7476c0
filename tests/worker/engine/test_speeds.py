"""How long turns take lately."""

from __future__ import annotations

import pytest

from worker.engine.stats import Speeds


def note(speeds: Speeds, rows: int, *seconds: float, request: str = "NoiseLoss") -> None:
    for each in seconds:
        speeds.note("model", request, rows, each)


def test_the_first_turn_of_a_size_may_compile_and_teaches_nothing() -> None:
    speeds = Speeds()
    note(speeds, 4, 60.0)
    assert speeds.read() == {}

    note(speeds, 4, 0.1)

    assert speeds.read() == {"model": {"NoiseLoss": {4: 0.1}}}


def test_a_machine_that_became_slower_is_slower_with_everything() -> None:
    speeds = Speeds()
    note(speeds, 1, *[0.1] * 200)
    note(speeds, 8, *[0.4] * 200)

    note(speeds, 8, *[0.8] * 200)

    found = speeds.read()["model"]["NoiseLoss"]
    assert found[8] == pytest.approx(0.8, rel=0.1)
    assert found[1] > 0.13  # nobody has made such a turn since


def test_turns_that_are_now_short_now_long_count_by_what_all_of_them_take() -> None:
    speeds = Speeds()

    note(speeds, 1, *[0.1, 0.5] * 300)

    assert speeds.read()["model"]["NoiseLoss"][1] == pytest.approx(0.3, rel=0.1)
