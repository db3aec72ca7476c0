"""When a delivery is tried again, and when it is given up. Pure: times and chance are passed in."""

from __future__ import annotations

from datetime import timedelta

from core.webhooks.records import Delivery, DeliveryAttempt, DeliveryState

JITTER = 0.2  # of a delay, to both sides: what failed together shall not come back together
LONGEST_S = 86_400.0  # that a Retry-After is heeded
GONE = 410


def after(
    delivery: Delivery, attempt: DeliveryAttempt, delays_s: tuple[float, ...], chance: float, retry_after_s: float = 0
) -> Delivery:
    """Return a delivery as it stands after one more attempt.

    `delays_s` are the waits between attempts; `chance`, in [0, 1), decides the jitter; `retry_after_s` is what the
    endpoint asked for.
    """
    tried = delivery.model_copy(update={"attempts": (*delivery.attempts, attempt)})
    if attempt.status is not None and 200 <= attempt.status < 300:
        return _over(tried, DeliveryState.DELIVERED)
    if attempt.status == GONE:
        return _over(tried, DeliveryState.DISABLED)
    if len(tried.attempts) > len(delays_s):
        return _over(tried, DeliveryState.FAILED)
    delay_s = delays_s[len(tried.attempts) - 1] * (1 + JITTER * (2 * chance - 1))
    wait = timedelta(seconds=max(delay_s, min(retry_after_s, LONGEST_S)))
    return tried.model_copy(update={"due_at": attempt.at + timedelta(seconds=attempt.seconds) + wait})


def _over(delivery: Delivery, state: DeliveryState) -> Delivery:
    return delivery.model_copy(update={"state": state, "due_at": None})
