"""What is written down about webhooks: where to, what was owed, and how each attempt at it went."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import Field

from core.record import SCHEMA_VERSION, Record

_REF = re.compile(r"job_[0-9a-f]{24}\.job\.[a-z]+\.[0-9]{1,4}")
WebhookEvent = Literal["job.started", "job.succeeded", "job.failed", "job.canceled"]
END_EVENTS: tuple[WebhookEvent, ...] = ("job.succeeded", "job.failed", "job.canceled")


class Webhook(Record):
    """Where to tell of a job, and of what; a part of its spec."""

    url: str
    events: tuple[WebhookEvent, ...] = END_EVENTS
    servers: bool = Field(False, description="it is the server's own, for jobs that name none; no client sees it")
    base_url: str = Field("", description="the API as the client reached it, for the links in what is sent")


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"  # all attempts are used up
    DISABLED = "disabled"  # the endpoint has answered 410
    SUPERSEDED = "superseded"  # it was asked for again


class DeliveryAttempt(Record):
    """One request to the endpoint: its answer's status, or why there was none."""

    at: datetime
    seconds: float
    status: int | None = None
    error: str | None = None


@dataclass(frozen=True)
class DeliveryRef:
    """Which delivery: a job's event, and the how manieth time that all of it was asked for, from 1 on."""

    job_id: str
    event: str
    round: int

    @property
    def message_id(self) -> str:
        """The `webhook-id`: the same for every attempt and round, so that a receiver knows what it has heard."""
        return f"msg_{self.job_id.removeprefix('job_')}_{self.event.removeprefix('job.')}"

    def __str__(self) -> str:
        return f"{self.job_id}.{self.event}.{self.round}"

    @staticmethod
    def is_one(text: str) -> bool:
        """Tell whether `parse` takes it."""
        return _REF.fullmatch(text) is not None

    @classmethod
    def parse(cls, text: str) -> DeliveryRef:
        """Return what `str` was made of; raises ValueError."""
        job_id, group, kind, number = text.split(".")
        return cls(job_id, f"{group}.{kind}", int(number))


class Delivery(Record):
    """`jobs/{id}/deliveries/…`: one message that is owed, and all attempts at it so far."""

    schema_version: int = SCHEMA_VERSION
    job_id: str
    owner: str
    event: WebhookEvent
    round: int = 1
    occurred_at: datetime
    asked_at: datetime = Field(description="when the endpoint was named: a 410 from before does not count")
    state: DeliveryState = DeliveryState.PENDING
    due_at: datetime | None = Field(None, description="when the next attempt is due; None when there is none")
    attempts: tuple[DeliveryAttempt, ...] = ()

    @property
    def ref(self) -> DeliveryRef:
        """Which one it is."""
        return DeliveryRef(self.job_id, self.event, self.round)
