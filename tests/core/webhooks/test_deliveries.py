"""What a webhook is owed survives whoever dies between a job's end and its open marker, and a Redis without memory."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.jobs.records import JobSpec
from core.live.names import DELIVERIES, again
from core.webhooks import keys
from core.webhooks.records import DeliveryRef, DeliveryState, Webhook
from tests.support.interrupted_storage import Point, die_at
from tests.support.job_life import Life
from tests.support.redis_server import redis_server

EVERYTHING = Webhook(url="https://example.org/", events=("job.started", "job.succeeded", "job.failed", "job.canceled"))
ENDS = Webhook(url="https://example.org/")
PUT_RIGHT_S = 10.0
WHERE_IT_DIES = [
    Point("create", "/end.json", after=True),
    Point("put", "due/"),
    Point("put", "due/", after=True),
    Point("create", "/deliveries/"),
    Point("create", "/deliveries/", after=True),
    Point("delete", "open/"),
    Point("delete", "open/", after=True),
]


@pytest.fixture
def life(tmp_path: Path) -> Iterator[Life]:
    with redis_server() as redis:
        yield Life(tmp_path, redis.url)


def owed(life: Life) -> list[str]:
    """Return what Redis says is owed."""
    return sorted(life.live.client.zrange(DELIVERIES, 0, -1))


def marked(life: Life) -> list[str]:
    return sorted(info.key.removeprefix(keys.DUE) for info in life.storage.list(keys.DUE))


def work(life: Life) -> None:
    attempt = life.claims().take("personalize")
    assert attempt is not None
    life.store.finish(attempt.spec, life.success(attempt))


def succeeded(life: Life, webhook: Webhook | None) -> JobSpec:
    spec = life.accept(life.personalization(webhook=webhook))
    work(life)
    return spec


@pytest.mark.parametrize("point", WHERE_IT_DIES, ids=str)
def test_wherever_a_worker_dies_after_the_end_its_webhook_is_owed_once(life: Life, point: Point) -> None:
    spec = life.accept(life.personalization(webhook=ENDS))
    die_at(life, point, work)
    wanted = [str(DeliveryRef(spec.id, "job.succeeded", 1))]
    other, until = life.process(), time.monotonic() + PUT_RIGHT_S
    while (life.open_jobs() or owed(life) != wanted) and time.monotonic() < until:
        other.reconciler.run_once()
    assert (owed(life), marked(life), life.open_jobs()) == (wanted, wanted, set())


def test_what_redis_forgets_is_owed_all_the_same(life: Life) -> None:
    spec = succeeded(life, EVERYTHING)
    wanted = sorted(str(DeliveryRef(spec.id, event, 1)) for event in ("job.started", "job.succeeded"))
    assert owed(life) == wanted
    life.live.client.flushall()
    life.process().reconciler.run_once()
    assert owed(life) == wanted


def test_a_worker_that_dies_before_it_said_that_it_began_has_it_said_at_the_end(life: Life) -> None:
    spec = life.accept(life.personalization(webhook=EVERYTHING))
    die_at(life, Point("put", "due/"), lambda own: own.claims().take("personalize"))
    assert owed(life) == []
    life.lose_lease(spec)
    until = time.monotonic() + PUT_RIGHT_S
    while not life.store.end(spec.id) and time.monotonic() < until:
        life.reconciler.run_once()
        if attempt := life.claims("w2").take(again("personalize")):
            life.store.finish(spec, life.success(attempt))
    assert owed(life) == sorted(str(DeliveryRef(spec.id, event, 1)) for event in ("job.started", "job.succeeded"))


def test_a_job_that_nobody_wants_to_hear_of_leaves_nothing(life: Life) -> None:
    succeeded(life, None)
    succeeded(life, Webhook(url="https://example.org/", events=("job.failed",)))
    assert (owed(life), marked(life)) == ([], [])


def test_closing_a_job_again_does_not_owe_again_what_was_delivered(life: Life) -> None:
    spec = succeeded(life, ENDS)
    [name] = owed(life)
    delivery = life.store.deliveries.read(DeliveryRef.parse(name))
    assert delivery is not None
    life.store.deliveries.save(delivery.model_copy(update={"state": DeliveryState.DELIVERED, "due_at": None}))
    end = life.store.end(spec.id)
    assert end is not None
    life.store.close(spec, end)
    assert (owed(life), marked(life)) == ([], [])


def test_two_takers_do_not_get_the_same_until_the_first_one_is_late(life: Life) -> None:
    succeeded(life, ENDS)
    other = life.process().live.deliveries
    [name] = life.live.deliveries.take(10, lease_s=0.5)
    assert other.take(10, lease_s=0.5) == []
    until, again = time.monotonic() + PUT_RIGHT_S, list[str]()
    while not again and time.monotonic() < until:
        again = other.take(10, lease_s=0.5)
    assert again == [name]


def test_a_marker_whose_delivery_is_over_goes(life: Life) -> None:
    spec = succeeded(life, ENDS)
    ref = DeliveryRef(spec.id, "job.succeeded", 1)
    delivery = life.store.deliveries.read(ref)
    assert delivery is not None
    life.store.deliveries.save(delivery.model_copy(update={"state": DeliveryState.DELIVERED, "due_at": None}))
    life.storage.put(keys.due(ref), b"")  # by a slow process that closed the job, too
    life.process().reconciler.run_once()
    assert marked(life) == []


def test_nothing_is_left_of_a_delivery_that_is_noted_when_its_job_was_just_deleted(life: Life) -> None:
    spec = life.accept(life.personalization(webhook=EVERYTHING))
    life.store.deletion.job(spec.id)
    life.store.deliveries.started(spec, spec.created_at)
    assert list(life.store.deliveries.of(spec.id)) == []
    assert marked(life) == []
    assert f"{spec.id}.job.started.1" not in owed(life)
