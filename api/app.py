"""`create_app`: the routes, the error handlers and the lifespan put together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import structlog
from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool

from api import problems
from api.access import origins
from api.access.doorkeeper import Doorkeeper
from api.access.rates import Rates
from api.connections import allow_files
from api.intake.decoder import Decoder
from api.intake.fetching import PictureFetcher
from api.intake.room import Tally
from api.metrics import Metrics
from api.middleware import RequestLog
from api.openapi import document
from api.outbound.addresses import AddressGuard
from api.outbound.client import Outbound
from api.outbound.connections import resolve
from api.owners import Owners
from api.readiness import Readiness
from api.routes import files, health, home, jobs, limits, lists, models, reference, submit, tails, webhooks
from api.state import AppState, LifespanState
from api.threads import AllThreads
from api.versions import VersionPrefix
from api.waiting.bounded import Questions
from api.waiting.reads import JobReads
from api.waiting.watcher import Watcher
from api.webhooks.preparation import Preparation
from api.webhooks.sender import Sender
from core.access.keyring import Keyring
from core.config import Settings
from core.limits import setting_name
from core.live.connection import connect_async
from core.logs import configure_logs
from core.memory import give_back
from core.services import open_services
from core.version import tailor_version
from core.webhooks.signing import Signing

log = structlog.get_logger()

DESCRIPTION = """Personalize: send one picture of a subject and get a *tail* of some kilobytes.
Edit: send the tail and a prompt and get pictures of that subject.

Every error is a problem document (RFC 9457) with a stable `type`. Both POSTs take an `Idempotency-Key`."""


def create_app(settings: Settings | None = None) -> FastAPI:
    """Return the API; it opens storage and Redis only when it is started."""
    settings = settings or Settings()
    app = FastAPI(
        title="Tailor",
        version=tailor_version(),
        description=DESCRIPTION,
        lifespan=_lifespan_of(settings),
        openapi_url=None,
        generate_unique_id_function=document.operation_id,
    )
    problems.install(app)
    origins.install(app, settings)
    app.add_middleware(RequestLog)
    app.add_middleware(VersionPrefix)
    document.install(app, settings)
    for routes in (home, reference, submit, lists, jobs, tails, files, models, limits, webhooks, health):
        app.include_router(routes.router)
    return app


def _lifespan_of(settings: Settings) -> Callable[[FastAPI], AbstractAsyncContextManager[LifespanState]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[LifespanState]:  # noqa: ARG001 - Starlette passes it
        configure_logs()
        allow_files(settings.max_connections)
        services = await run_in_threadpool(open_services, settings)
        redis = connect_async(settings.redis_url)
        watcher, threads, questions = Watcher(redis), _threads(settings), Questions()
        guard = AddressGuard(settings.allowed_inner_hosts)
        outbound = Outbound(guard, lambda host, port: threads.resolving.run(resolve, host, port))
        bodies = Tally(
            settings.max_body_bytes_in_flight,
            lambda: threads.parsing.start(give_back),
            setting=setting_name("max_body_bytes_in_flight"),
        )
        signing, metrics = Signing(settings.webhook_signing_secrets, services.secret), Metrics(services.live)
        services.storage_meter.listen(metrics.storage.note)
        preparation = Preparation(services, signing, guard)
        sender = Sender(services, outbound, preparation, threads.webhooks, metrics.webhooks)
        state = AppState(
            services,
            redis,
            watcher,
            questions,
            metrics,
            threads,
            Decoder(settings, threads),
            bodies,
            PictureFetcher(outbound, settings, bodies),
            signing,
            Readiness(services, threads.probing),
            Owners(services.jobs, threads.reading),
            Doorkeeper(Keyring(services.storage), threads.reading, settings.require_keys),
            JobReads(services.jobs, threads.reading),
            Rates(settings, redis, questions, metrics.registry),
        )
        tasks = [asyncio.create_task(watcher.run(), name="watcher"), asyncio.create_task(sender.run(), name="sender")]
        services.reconciler.start()
        log.info("api.started", storage=settings.storage)
        try:
            yield {"app_state": state}
        finally:
            await run_in_threadpool(services.reconciler.stop)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await outbound.close()
            await redis.aclose()
            threads.stop()
            log.info("api.stopped")

    return lifespan


def _threads(settings: Settings) -> AllThreads:
    # A name server that takes its time for one host holds up nobody who asks for another one.
    return AllThreads(resolving=settings.webhook_sends + settings.picture_url_fetches)


app = create_app()
