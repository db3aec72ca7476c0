from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from core.config import Settings
from core.services import Services, open_services
from tests.api.serving import PretendingWorker, api_server, publish, serving_settings
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
