"""What the server says: jobs, tails, models and the rest. Members that this client does not know are kept as extra."""

from __future__ import annotations

import os
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

JobKind = Literal["personalize", "edit"]


class JobStatus(StrEnum):
    """Where a job stands."""

    WAITING = "waiting"  # an edit whose tail is not ready
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"

    @property
    def ended(self) -> bool:
        """Whether nothing can change any more."""
        return self in (JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELED)


class View(BaseModel):
    """Base of all answers."""

    model_config = ConfigDict(frozen=True, extra="allow")


class Downloads(Protocol):
    """Whoever can fetch a signed URL."""

    def download(self, what: str, /) -> bytes:
        """Return the bytes behind a signed URL."""


class Result(View):
    """One picture of an edit: where it can be fetched, and until when."""

    index: int = 0
    url: str
    expires_at: datetime | None = None
    cell: dict[str, Any] | None = None
    receipt: dict[str, Any] | None = None
    base64: str | None = None

    def save(self, file: str | os.PathLike[str], client: Downloads) -> Path:
        """Write the picture, a PNG, to a file and return its path. For `Tailor`."""
        path = Path(file)
        path.write_bytes(client.download(self.url))
        return path


class JobProblem(View):
    """Why a job failed."""

    type: str = ""
    title: str = ""
    detail: str = ""


class Fit(View):
    """How well a personalization went: the loss with the tail, with the prompt alone, and without text."""

    loss: float
    loss_prompt: float
    loss_empty: float
    explained: float


class TailUse(View):
    """One of several tails of an edit."""

    id: str
    scale: float | None = None


class Job(View):
    """A job: what was asked, how far it is, and what came of it."""

    id: str
    kind: JobKind
    status: JobStatus
    tail_id: str
    tails: list[TailUse] = Field(default_factory=list)
    model: str = ""
    prompt: str = ""
    seed: int | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    parameters: dict[str, Any] = Field(default_factory=dict)
    attempt: int = 0
    step: int = 0
    steps: int = 0
    progress: float | None = None
    loss: float | None = None
    queue_position: int | None = None
    eta_s: float | None = None
    waiting_for: str | None = None
    created_at: datetime | None = None
    ended_at: datetime | None = None
    expires_at: datetime | None = None
    error: JobProblem | None = None
    results: list[Result] = Field(default_factory=list)
    grid: Result | None = None
    fit: Fit | None = None
    warnings: list[str] = Field(default_factory=list)
    edits: list[Job] = Field(default_factory=list)
    receipt: dict[str, Any] | None = None

    @property
    def failure(self) -> str:
        """Why it did not succeed, in one line."""
        why = self.error.detail or self.error.title if self.error else ""
        return f"{self.id} {self.status}: {why}" if why else f"{self.id} was {self.status}"


class Tail(View):
    """A tail and the personalization that makes it."""

    id: str
    job_id: str
    status: JobStatus
    model: str = ""
    model_hash: str = ""
    prompt: str = ""
    pictures: int = 0
    imported: bool = False
    labels: dict[str, str] = Field(default_factory=dict)
    positions: int | None = None
    created_at: datetime | None = None
    sha256: str | None = None
    url: str | None = None
    url_expires_at: datetime | None = None
    expires_at: datetime | None = None


class Model(View):
    """A model that the server's workers have loaded."""

    name: str
    hash: str
    description: str = ""
    image_size: int = Field(0, description="pixels a side")
    recipes: dict[str, Any] = Field(default_factory=dict)
    default_recipe: str = ""


class Deletion(View):
    """What went."""

    jobs: list[str]
    objects: int
    bytes: int


class DeliveryAttempt(View):
    """One request to a webhook's endpoint."""

    at: datetime
    seconds: float
    status: int | None = None
    error: str | None = None


class Delivery(View):
    """One message to a webhook, and how it went so far."""

    id: str
    event: str
    round: int
    state: str
    due_at: datetime | None = None
    attempts: list[DeliveryAttempt] = Field(default_factory=list)
