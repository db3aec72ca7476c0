"""What clients get to see of the webhooks that were sent for them."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field

from core.webhooks.records import Delivery, DeliveryState, WebhookEvent


class AttemptView(BaseModel):
    """One request to the endpoint."""

    at: datetime
    seconds: float
    status: int | None = Field(description="the answer's; null when there was none")
    error: str | None = Field(description="why there was no answer")


class DeliveryView(BaseModel):
    """One message, and how it went so far."""

    id: str = Field(description="the webhook-id; the same when it is delivered again")
    event: WebhookEvent
    round: int = Field(description="1, and one more each time that it is asked for again")
    state: DeliveryState
    due_at: datetime | None = Field(description="when the next attempt is due; null when there is none")
    attempts: list[AttemptView]


class DeliveryList(BaseModel):
    """All deliveries of a job, oldest first."""

    items: list[DeliveryView]


class SecretsView(BaseModel):
    """What a receiver checks signatures with."""

    secrets: list[str] = Field(description="each signs; the newest first, the others on their way out")


def delivery_view(delivery: Delivery) -> DeliveryView:
    """Return what a client sees of a delivery."""
    shown = delivery.model_dump(include={"event", "round", "state", "due_at", "attempts"})
    return DeliveryView(id=delivery.ref.message_id, **shown)
