"""Liveness, readiness and metrics."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel
from redis.exceptions import RedisError

from api.state import State, Use
from core.errors import StorageUnavailableError
from core.services import SECRET_KEY, Services

router = APIRouter(tags=["operations"])


class Readiness(BaseModel):
    """What this process can reach. Only storage decides whether it is ready: jobs are accepted without the rest."""

    storage: bool = True
    redis: bool
    workers: int
    models: list[str]


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """Say that the process is alive; asks nobody else."""
    return {"status": "ok"}


@router.get("/readyz")
def readyz(services: Use) -> Readiness:
    """Say whether jobs can be accepted, and who is there to do them."""
    fleet = _fleet(services)
    try:
        services.storage.head(SECRET_KEY)
        models = [info.name for info in services.registry.models()]
    except StorageUnavailableError as error:
        raise StorageUnavailableError(error.detail, retry_after_s=5, storage=False, **fleet) from error
    return Readiness(models=models, **fleet)


@router.get("/metrics", response_class=Response)
def metrics(state: State) -> Response:
    """Return the counts of this process, and the queues and engines of all, for Prometheus."""
    return Response(generate_latest(state.metrics.registry), media_type=CONTENT_TYPE_LATEST)


def _fleet(services: Services) -> dict[str, Any]:
    try:
        return {"redis": True, "workers": len(services.live.workers.alive())}
    except RedisError:
        return {"redis": False, "workers": 0}
