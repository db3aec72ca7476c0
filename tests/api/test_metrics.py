"""What Prometheus is told of the fleet, from a real Redis."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from api.metrics import FleetCollector
from core.live import names
from core.live.connection import connect
from core.live.store import LiveStore
from tests.support.redis_server import redis_server


@pytest.fixture
def live() -> Iterator[LiveStore]:
    with redis_server() as redis:
        yield LiveStore(connect(redis.url))


def value(live: LiveStore, name: str) -> float:
    (sample,) = (
        sample for metric in FleetCollector(live).collect() for sample in metric.samples if sample.name == name
    )
    return float(sample.value)


def test_without_open_jobs_the_oldest_has_no_age(live: LiveStore) -> None:
    assert value(live, "tailor_oldest_job_seconds") == 0


def test_the_oldest_open_job_counts_whoever_asks(live: LiveStore) -> None:
    seconds, _ = live.client.time()
    live.client.zadd(names.OPEN_JOBS, {"job_new": seconds - 5, "job_old": seconds - 1000})
    assert value(live, "tailor_oldest_job_seconds") >= 1000


def test_a_clock_that_ran_ahead_makes_no_negative_age(live: LiveStore) -> None:
    seconds, _ = live.client.time()
    live.client.zadd(names.OPEN_JOBS, {"job": seconds + 1000})
    assert value(live, "tailor_oldest_job_seconds") == 0
