"""What the lifespan makes and every request may use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, TypedDict, cast

import redis.asyncio
from fastapi import Depends, Request

from api.access.doorkeeper import Doorkeeper
from api.access.rates import Rates
from api.intake.decoder import Decoder
from api.intake.fetching import PictureFetcher
from api.intake.room import Tally
from api.metrics import Metrics
from api.owners import Owners
from api.readiness import Readiness
from api.threads import AllThreads
from api.waiting.bounded import Questions
from api.waiting.reads import JobReads
from api.waiting.watcher import Watcher
from core.services import Services
from core.webhooks.signing import Signing


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
    fetcher: PictureFetcher
    signing: Signing
    readiness: Readiness
    owners: Owners
    doorkeeper: Doorkeeper
    reads: JobReads
    rates: Rates


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


State = Annotated[AppState, Depends(app_state)]
Use = Annotated[Services, Depends(services)]
