"""What the lifespan makes and every request may use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, TypedDict, cast

import redis.asyncio
from fastapi import Depends, Request
from fastapi import Path as PathParameter

from api.intake.decoder import Decoder
from api.intake.room import Tally
from api.metrics import Metrics
from api.readiness import Readiness
from api.threads import AllThreads
from api.waiting.bounded import Questions
from api.waiting.watcher import Watcher
from core.errors import NotFoundError
from core.jobs.ids import is_job_id, is_tail_id
from core.services import Services


@dataclass(frozen=True)
class AppState:
    """What every request may use; the lifespan makes it and ends it."""

    services: Services
    redis: redis.asyncio.Redis
    watcher: Watcher
    questions: Questions
    metrics: Metrics
    threads: AllThreads
    decoder: Decoder
    bodies: Tally
    readiness: Readiness


class LifespanState(TypedDict):
    """What the lifespan hands to Starlette."""

    app_state: AppState


def state_of(request: Request) -> AppState:
    """Return the app's state."""
    return cast(AppState, request.state.app_state)


# The dependencies are coroutines although they wait for nothing: FastAPI would call a function in Starlette's pool of
# threads, where it may wait for long.


async def app_state(request: Request) -> AppState:
    """Return the app's state."""
    return state_of(request)


async def services(request: Request) -> Services:
    """Return the services."""
    return state_of(request).services


async def known_job_id(job_id: Annotated[str, PathParameter(examples=["job_0123456789abcdef01234567"])]) -> str:
    """Return a job id of the right form; what has another form can't exist."""
    if not is_job_id(job_id):
        raise NotFoundError(f"there is no job {job_id}", id=job_id)
    return job_id


async def known_tail_id(tail_id: Annotated[str, PathParameter(examples=["tail_0123456789abcdef01234567"])]) -> str:
    """Return a tail id of the right form; what has another form can't exist."""
    if not is_tail_id(tail_id):
        raise NotFoundError(f"there is no tail {tail_id}", id=tail_id)
    return tail_id


State = Annotated[AppState, Depends(app_state)]
Use = Annotated[Services, Depends(services)]
JobId = Annotated[str, Depends(known_job_id)]
TailId = Annotated[str, Depends(known_tail_id)]
