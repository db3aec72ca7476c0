from __future__ import annotations

import threading
from collections.abc import Iterator

import httpx
import pytest

from api.waiting import longpoll
from api.waiting.watcher import Watch
from core.config import Settings
from core.services import Services, open_services
from tests.api.serving import PretendingWorker, api_server, publish, serving_settings, working_at
from tests.support.redis_server import redis_server


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with redis_server() as redis:
        yield serving_settings(tmp_path_factory.mktemp("storage"), redis.url)


@pytest.fixture(scope="session")
def services(settings: Settings) -> Services:
    """What a worker process on the same storage and Redis works with."""
    services = open_services(settings)
    publish(services)
    return services


@pytest.fixture(scope="session")
def worker(services: Services) -> PretendingWorker:
    return PretendingWorker(services)


@pytest.fixture(scope="session")
def api(settings: Settings, services: Services) -> Iterator[httpx.Client]:
    with api_server(settings) as client:
        yield client


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Return what is set as soon as an answer waits; nothing but a notice ends its waiting."""
    waiting = threading.Event()
    changed = Watch.changed

    async def noted(self: Watch, timeout_s: float) -> bool:
        waiting.set()
        return await changed(self, timeout_s)

    monkeypatch.setattr(Watch, "changed", noted)
    monkeypatch.setattr(longpoll, "REREAD_S", 1000)
    return waiting


@pytest.fixture
def working(services: Services, worker: PretendingWorker) -> Iterator[None]:
    """Let a worker end everything that comes with success."""
    with working_at(services, worker):
        yield
