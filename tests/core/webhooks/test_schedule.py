from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from core.webhooks.records import Delivery, DeliveryAttempt, DeliveryState
from core.webhooks.schedule import after

NOW = datetime(2026, 1, 1, tzinfo=UTC)
OWED = Delivery(
    job_id="job_" + "0" * 24, owner="public", event="job.succeeded", occurred_at=NOW, asked_at=NOW, due_at=NOW
)
DELAYS = (10.0, 100.0)


def attempt(status: int | None = None) -> DeliveryAttempt:
    return DeliveryAttempt(at=NOW, seconds=1, status=status, error=None if status else "timeout: no answer")


def wait_s(delivery: Delivery) -> float:
    assert delivery.due_at is not None
    return (delivery.due_at - NOW).total_seconds() - 1


@pytest.mark.parametrize("status", [200, 202, 204, 299])
def test_every_2xx_is_the_end_of_it(status: int) -> None:
    tried = after(OWED, attempt(status), DELAYS, 0.5)
    assert (tried.state, tried.due_at, len(tried.attempts)) == (DeliveryState.DELIVERED, None, 1)


@pytest.mark.parametrize("status", [None, 301, 302, 400, 404, 429, 500, 503])
def test_anything_else_is_tried_again_after_each_wait_and_then_given_up(status: int | None) -> None:
    first = after(OWED, attempt(status), DELAYS, 0.5)
    second = after(first, attempt(status), DELAYS, 0.5)
    last = after(second, attempt(status), DELAYS, 0.5)
    assert (wait_s(first), wait_s(second)) == (10, 100)
    assert (last.state, last.due_at, len(last.attempts)) == (DeliveryState.FAILED, None, 3)


def test_410_ends_it_at_once() -> None:
    assert after(OWED, attempt(410), DELAYS, 0.5).state is DeliveryState.DISABLED


def test_chance_moves_a_wait_by_a_fifth_at_most() -> None:
    assert wait_s(after(OWED, attempt(500), DELAYS, 0.0)) == pytest.approx(8)
    assert wait_s(after(OWED, attempt(500), DELAYS, 0.999999)) == pytest.approx(12, abs=0.01)


def test_what_the_endpoint_asks_for_is_heeded_for_a_day_at_most() -> None:
    assert wait_s(after(OWED, attempt(503), DELAYS, 0.5, retry_after_s=60)) == 60
    assert wait_s(after(OWED, attempt(503), DELAYS, 0.5, retry_after_s=1)) == 10
    assert after(OWED, attempt(503), DELAYS, 0.5, retry_after_s=1e9).due_at == NOW + timedelta(days=1, seconds=1)
