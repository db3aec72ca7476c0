"""One beat: every lease is renewed, whatever is wrong with another one; a worker that ends leaves nothing behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from core.jobs.attempts import Attempt
from core.jobs.claims import Claims
from core.live.names import DRAINING, LEASES, again
from tests.support.job_life import LONG_LEASE_S, Life
from tests.support.redis_server import redis_server
from worker.serving.heartbeat import Heartbeat


@pytest.fixture
def life(tmp_path: Path) -> Iterator[Life]:
    with redis_server() as endpoint:
        yield Life(tmp_path / "storage", endpoint.url, lease_s=LONG_LEASE_S)


def taken(life: Life, claims: Claims) -> Attempt:
    life.accept(life.personalization())
    attempt = claims.take("personalize")
    assert attempt is not None
    return attempt


def heartbeat(claims: Claims, attempts: list[Attempt], lost: list[Attempt]) -> Heartbeat:
    runner: Any = SimpleNamespace(attempts=lambda: attempts, lose=lost.append)
    return Heartbeat(runner, claims, every_s=5, stall_s=300, describe=dict)


def test_what_is_wrong_with_one_lease_costs_the_others_nothing(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    claims, lost = life.claims("w1"), list[Attempt]()
    attempts = [taken(life, claims) for _ in range(3)]
    life.live.client.delete(LEASES)
    really = claims.renew

    def renew(attempt: Attempt) -> bool:
        if attempt == attempts[0]:
            raise ZeroDivisionError("a bug that one attempt meets")
        return really(attempt)

    monkeypatch.setattr(claims, "renew", renew)

    heartbeat(claims, attempts, lost).beat()

    assert set(life.live.client.zrange(LEASES, 0, -1)) == {attempt.spec.id for attempt in attempts[1:]}  # type: ignore[arg-type] # redis-py
    assert lost == []
    assert [worker["id"] for worker in life.live.workers.alive()] == ["w1"]


def test_a_lease_that_another_has_is_told_and_the_others_are_kept(life: Life) -> None:
    claims, lost = life.claims("w1"), list[Attempt]()
    attempts = [taken(life, claims) for _ in range(2)]
    life.live.leases.release(attempts[0].spec.id, attempts[0].token)
    life.reconciler.reap(attempts[0].spec)
    newer = life.claims("w2").take(again("personalize"))
    assert newer is not None

    heartbeat(claims, attempts, lost).beat()

    assert lost == attempts[:1]


def test_a_worker_that_ends_is_not_taken_for_alive_and_gives_its_election_back(life: Life) -> None:
    claims = life.claims("w1")
    beats = heartbeat(claims, [], [])
    beats.beat()
    assert life.live.workers.elect("w1", 60)

    beats.stop()

    assert life.live.workers.alive() == []
    assert life.live.client.get(DRAINING) is None
