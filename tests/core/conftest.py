from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.job_life import Life
from tests.support.redis_server import RedisEndpoint, redis_server


@pytest.fixture(scope="module")
def redis_endpoint() -> Iterator[RedisEndpoint]:
    with redis_server() as endpoint:
        yield endpoint


@pytest.fixture
def life(redis_endpoint: RedisEndpoint, tmp_path: Path) -> Life:
    with redis_endpoint.client() as client:
        client.flushall()
    return Life(tmp_path / "storage", redis_endpoint.url)
