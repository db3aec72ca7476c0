"""Liveness, readiness and metrics."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, Field
from starlette.responses import PlainTextResponse

from api.openapi.problems import may_answer
from api.state import State
from core.errors import StorageUnavailableError

router = APIRouter(tags=["operations"])
_METRICS: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/plain": {"example": 'tailor_jobs_queued{kind="edit"} 2.0\n'}}}
}


class Liveness(BaseModel):
    """That the process is alive."""

    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    """What this process can reach. Only storage decides whether it is ready: jobs are accepted without the rest."""

    storage: bool = True
    redis: bool
    workers: int
    models: list[str]
    clocks_off_s: dict[str, float] = Field(
        {}, description="clocks that are wrong, in seconds ahead of Redis': this process' own (`api`), or a worker's"
    )


@router.head("/healthz", include_in_schema=False)
@router.get("/healthz", summary="Liveness")
async def healthz() -> Liveness:
    """Say that the process is alive; asks nobody else."""
    return Liveness()


@router.head("/readyz", include_in_schema=False)
@router.get("/readyz", summary="Readiness", responses=may_answer(StorageUnavailableError))
async def readyz(state: State) -> Readiness:
    """Say whether jobs can be accepted, and who is there to do them. Storage is written to for it every few seconds."""
    return Readiness(**await state.readiness.look())


@router.get("/metrics", response_class=PlainTextResponse, responses=_METRICS)
def metrics(state: State) -> Response:
    """Return the counts of this process, and the queues and engines of all, for Prometheus."""
    return Response(generate_latest(state.metrics.registry), media_type=CONTENT_TYPE_LATEST)
