"""What clients get to see of jobs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from api.problems import TYPE_PREFIX
from api.views.fit import FitView, fit_view
from api.views.links import Links
from core.jobs.keeping.terms import expires_at
from core.jobs.records import JobEnd, JobKind, JobSpec, JobState, JobStatus, PreviewRecord, Problem
from core.models.parameters import TailUse
from core.models.sweeps import Sweep

MAX_RETRY_AFTER_S = 5


class ResultView(BaseModel):
    """One picture of an edit."""

    index: int
    url: str = Field(description="signed; GET it without any header")
    expires_at: datetime
    cell: dict[str, Any] | None = Field(None, description="of a sweep: what differs from the job's own parameters")
    receipt: dict[str, Any] | None = Field(None, description="of a sweep: what makes this very picture again, alone")
    base64: str | None = Field(None, description="the PNG itself, if `inline=true` asked for it and it is small")


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
    tails: list[TailUse] = Field([], description="an edit's, when it has several; the first is that of tail_id")
    model: str
    prompt: str = Field(description="of a personalization with several pictures the first one's")
    pictures: int | None = Field(None, description="how many a personalization learns from")
    prompts: list[str] | None = Field(None, description="one a picture, where they are not all the same")
    seed: int
    sweep: Sweep | None = Field(None, description="of an edit: a picture for each combination of these values")
    labels: dict[str, str] = Field({}, examples=[{"name": "Rex"}])
    parameters: dict[str, Any] = Field(description="all parameters, those of the recipe included")
    attempt: int = 0
    step: int = 0
    steps: int = 0
    progress: float = Field(ge=0, le=1, description="step / steps; 1 when it has succeeded")
    loss: float | None = None
    queue_position: int | None = Field(None, description="jobs of this kind before it; null unless queued")
    eta_s: float | None = Field(None, description="seconds until it ends, as far as anybody knows; null: nobody does")
    preview: PreviewRecord | None = Field(None, description="the newest one while it runs, if `previews` asked for it")
    waiting_for: str | None = Field(None, description="what it waits for besides its turn, if anything")
    events_url: str | None = Field(None, description="signed; its events, without any header; null once it has ended")
    created_at: datetime
    ended_at: datetime | None = None
    expires_at: datetime | None = Field(None, description="when it is deleted by itself; null: never, or not ended yet")
    error: ErrorView | None = None
    fit: FitView | None = Field(None, description="of a personalization that has succeeded: how well it went")
    warnings: list[str] = Field([], description="what to know before using the result, in words")
    results: list[ResultView] = []
    grid: ResultView | None = Field(None, description="of a sweep: all its pictures as one, with labels")
    edits: list[JobView] = Field([], description="the edits that were accepted in the same call")
    receipt: dict[str, Any] | None = Field(None, description="all that decides the result; null until it has succeeded")


def job_view(state: JobState, links: Links) -> JobView:
    """Return what a client sees of a job."""
    spec, live, end = state.spec, state.live, state.end
    parameters = spec.personalize or spec.edit
    return JobView(
        **spec.model_dump(
            include={"id", "kind", "tail_id", "tails", "model", "prompt", "seed", "sweep", "labels", "created_at"}
        ),
        **live.model_dump(include={"attempt", "step", "steps", "loss"}),
        pictures=len(spec.pictures) if spec.kind == "personalize" else None,
        prompts=list(spec.source_prompts) if len(set(spec.source_prompts)) > 1 else None,
        status=state.status,
        waiting_for=state.waiting_for,
        events_url=None if end else links.to_events(spec.id),
        parameters=parameters.model_dump() if parameters else {},
        progress=_progress(state),
        queue_position=None if end else live.position,
        eta_s=None if end else live.eta_s,
        preview=None if end else live.preview,
        ended_at=end.ended_at if end else None,
        expires_at=expires_at(spec, end),
        error=_error(end.error) if end and end.error else None,
        fit=fit_view(end.fit) if end and end.fit else None,
        warnings=end.fit.warnings if end and end.fit else [],
        results=_results(spec, end, links) if end else [],
        grid=_picture(f"{spec.id}-grid.png", 0, end.grid_key, links) if end and end.grid_key else None,
        receipt=end.receipt or None if end else None,
    )


def _error(error: Problem) -> ErrorView:
    return ErrorView(type=TYPE_PREFIX + error.type, title=error.title, detail=error.detail)


def _progress(state: JobState) -> float:
    if state.status is JobStatus.SUCCEEDED:
        return 1.0
    return min(1.0, state.live.step / state.live.steps) if state.live.steps else 0.0


def _results(spec: JobSpec, end: JobEnd, links: Links) -> list[ResultView]:
    results = [_picture(f"{spec.id}-{i}.png", i, key, links) for i, key in enumerate(end.result_keys)]
    if spec.sweep is None or not results:  # it ended without pictures
        return results
    cells = spec.sweep.cells()
    told = [{"cell": cell, "receipt": _cell_receipt(end.receipt, cell)} for cell in cells]
    return [result.model_copy(update=more) for result, more in zip(results, told, strict=True)]


def _picture(name: str, index: int, key: str, links: Links) -> ResultView:
    return ResultView(index=index, url=links.to(key, name, "image/png"), expires_at=links.expires_at)


def _cell_receipt(receipt: dict[str, Any], cell: dict[str, Any]) -> dict[str, Any]:
    """Return what makes one picture of a sweep again, alone."""
    request = {name: value for name, value in receipt.get("request", {}).items() if name != "sweep"}
    return receipt | {"request": request | cell}


def retry_after_s(state: JobState) -> int | None:
    """Return after how many seconds a client may ask again; None when the job has ended."""
    if state.status.ended:
        return None
    eta_s = state.live.eta_s
    return MAX_RETRY_AFTER_S if eta_s is None and state.status is JobStatus.WAITING else _clamp(eta_s or 1)


def _clamp(eta_s: float) -> int:
    return max(1, min(MAX_RETRY_AFTER_S, round(eta_s)))
