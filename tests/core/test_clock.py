"""The fleet's time."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from core.clock import FleetClock, utc_now

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
