"""The fleet's time."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from core import clock as clock_module
from core.clock import FleetClock, is_wrong, utc_now

HOUR = 3600.0


def test_the_time_is_the_servers_whatever_this_machine_says(monkeypatch: pytest.MonkeyPatch) -> None:
    right = time.time()
    clock = FleetClock(lambda: right)
    monkeypatch.setattr(time, "time", lambda: right + HOUR)

    assert abs(clock.now_s() - right) < 60
    assert abs(clock.skew_s - HOUR) < 60


def test_a_clock_that_is_set_meanwhile_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    right = time.time()
    clock = FleetClock(lambda: right)
    before = clock.now()
    monkeypatch.setattr(time, "time", lambda: right - HOUR)

    assert abs(clock.now() - before) < timedelta(minutes=1)


def test_while_the_server_is_away_storages_time_holds_and_then_the_last_answer() -> None:
    answers: list[float] = []

    def ask() -> float:
        if not answers:
            raise RedisConnectionError("away")
        return answers.pop()

    clock = FleetClock(ask, every_s=0)
    clock.begin(1000.0)
    assert 1000 <= clock.now_s() < 1060
    answers.append(5000.0)
    assert 5000 <= clock.now_s() < 5060
    clock.begin(1000.0)
    assert 5000 <= clock.now_s() < 5060


def test_without_any_answer_it_is_this_machines_time() -> None:
    def ask() -> float:
        raise RedisConnectionError("away")

    assert abs(FleetClock(ask).now() - utc_now()) < timedelta(minutes=1)


def test_an_answer_that_came_late_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    def ask() -> float:
        monkeypatch.setattr(clock_module, "SLOW_S", -1.0)
        return time.time() - HOUR

    assert abs(FleetClock(ask).now_s() - time.time()) < 60


@pytest.mark.parametrize(("skew_s", "wrong"), [(0.5, False), (-0.5, False), (10, True), (-10, True)])
def test_a_clock_is_wrong_when_it_is_off_by_more_than_a_few_seconds_either_way(skew_s: float, wrong: bool) -> None:
    assert is_wrong(skew_s) is wrong
