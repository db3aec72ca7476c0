"""What clients get to see of jobs, tails and models."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from fastapi import Request
from pydantic import BaseModel, Field

from api.problems import TYPE_PREFIX
from core.clock import utc_now
from core.jobs.records import JobEnd, JobKind, JobSpec, JobState, JobStatus, Problem
from core.services import Services

MAX_RETRY_AFTER_S = 5


class ResultView(BaseModel):
    """One picture of an edit."""

    index: int
    url: str = Field(description="signed; GET it without any header")
    expires_at: datetime


class ErrorView(BaseModel):
    """Why a job failed, as a problem document says it."""

    type: str
    title: str
    detail: str


class JobView(BaseModel):
    """A job: what was asked, how far it is, and what came of it."""

    id: str = Field(examples=["job_0123456789abcdef01234567"])
    kind: JobKind
    status: JobStatus
    tail_id: str = Field(examples=["tail_0123456789abcdef01234567"])
    model: str
    prompt: str
    seed: int
    parameters: dict[str, Any] = Field(description="all parameters, those of the recipe included")
    attempt: int = 0
    step: int = 0
    steps: int = 0
    progress: float = Field(ge=0, le=1, description="step / steps; 1 when it has succeeded")
    loss: float | None = None
    position: int | None = Field(None, description="jobs of this kind before it; null unless queued")
    eta_s: float | None = None
    created_at: datetime
    ended_at: datetime | None = None
    error: ErrorView | None = None
    results: list[ResultView] = []
    receipt: dict[str, Any] | None = Field(None, description="all that decides the result; null until it has succeeded")


class TailView(BaseModel):
    """A tail and the personalization that makes it."""

    id: str
    job_id: str
    status: JobStatus
    model: str
    model_hash: str
    prompt: str
    positions: int | None = Field(None, description="n, the vectors of the tail")
    created_at: datetime
    sha256: str | None = None
    url: str | None = Field(None, description="signed; the tail as safetensors; null until it is ready")
    expires_at: datetime | None = None


@dataclass(frozen=True)
class Links:
    """Makes the URLs in answers: signed, absolute, and expiring together."""

    services: Services
    base_url: str
    expires_at: datetime

    @classmethod
    def of(cls, request: Request, services: Services) -> Links:
        """Return links as the client of this request reaches the API."""
        expires_at = utc_now() + timedelta(seconds=services.settings.url_ttl_s)
        base_url = services.settings.public_url or str(request.base_url)
        return cls(services, base_url.rstrip("/"), expires_at)

    def to(self, key: str, filename: str, content_type: str) -> str:
        """Return a URL that serves an object until `expires_at`."""
        ttl = self.services.settings.url_ttl_s
        url = self.services.storage.url(key, expires_s=ttl, filename=filename, content_type=content_type)
        return self.base_url + url if url.startswith("/") else url


def job_view(state: JobState, links: Links) -> JobView:
    """Return what a client sees of a job."""
    spec, live, end = state.spec, state.live, state.end
    parameters = spec.personalize or spec.edit
    return JobView(
        **spec.model_dump(include={"id", "kind", "tail_id", "model", "prompt", "seed", "created_at"}),
        **live.model_dump(include={"attempt", "step", "steps", "loss"}),
        status=state.status,
        parameters=parameters.model_dump() if parameters else {},
        progress=_progress(state),
        position=None if end else live.position,
        eta_s=None if end else live.eta_s,
        ended_at=end.ended_at if end else None,
        error=_error(end.error) if end and end.error else None,
        results=_results(spec, end, links) if end else [],
        receipt=end.receipt or None if end else None,
    )


def _error(error: Problem) -> ErrorView:
    return ErrorView(type=TYPE_PREFIX + error.type, title=error.title, detail=error.detail)


def _progress(state: JobState) -> float:
    if state.status is JobStatus.SUCCEEDED:
        return 1.0
    return min(1.0, state.live.step / state.live.steps) if state.live.steps else 0.0


def _results(spec: JobSpec, end: JobEnd, links: Links) -> list[ResultView]:
    return [
        ResultView(index=i, url=links.to(key, f"{spec.id}-{i}.png", "image/png"), expires_at=links.expires_at)
        for i, key in enumerate(end.result_keys)
    ]


def tail_view(spec: JobSpec, end: JobEnd | None, status: JobStatus, links: Links) -> TailView:
    """Return what a client sees of a tail."""
    view = TailView(
        **spec.model_dump(include={"model", "model_hash", "prompt", "created_at"}),
        id=spec.tail_id,
        job_id=spec.id,
        status=status,
        positions=spec.personalize.positions if spec.personalize else None,
    )
    if end is None or end.tail_key is None:
        return view
    url = tail_url(spec, end.tail_key, links)
    return view.model_copy(
        update={"sha256": end.receipt.get("tail_sha256"), "url": url, "expires_at": links.expires_at}
    )


def tail_url(spec: JobSpec, key: str, links: Links) -> str:
    """Return the signed URL of a tail's file."""
    return links.to(key, f"{spec.tail_id}.safetensors", "application/octet-stream")


def retry_after_s(state: JobState) -> int | None:
    """Return after how many seconds a client may ask again; None when the job has ended."""
    if state.status.ended:
        return None
    eta_s = state.live.eta_s
    return MAX_RETRY_AFTER_S if eta_s is None and state.status is JobStatus.WAITING else _clamp(eta_s or 1)


def _clamp(eta_s: float) -> int:
    return max(1, min(MAX_RETRY_AFTER_S, round(eta_s)))
