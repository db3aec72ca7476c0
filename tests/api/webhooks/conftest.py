from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook

from core.config import Settings
from tests.api import conftest as shared
from tests.api.serving import PretendingWorker, personalize, serving_settings
from tests.support.receiver import Asked, Receiver, Reply, receiver
from tests.support.redis_server import redis_server

RETRIES = "0.3,0.3"  # after so many seconds each: a test may wait for them


@dataclass
class Endpoint:
    """A client's receiver, which checks signatures as clients do, and answers by path as a test says."""

    server: Receiver
    replies: dict[str, list[Reply]] = field(default_factory=dict)
    secret: str = ""

    def url(self, path: str, *replies: Reply) -> str:
        """Return a URL whose answers are these, in turn, and then 200."""
        self.replies[path] = list(replies)
        return self.server.url(path)

    def answer(self, asked: Asked) -> Reply:
        replies = self.replies.get(asked.path)
        return replies.pop(0) if replies else Reply(204)

    def heard(self, path: str, count: int = 1) -> list[dict[str, Any]]:
        """Wait for so many messages; returns what they say once their signatures are checked."""
        self.server.wait(lambda asked: len(self._at(path, asked)) >= count, f"{count} messages to {path}")
        return [self.checked(one) for one in self._at(path, self.server.asked)]

    def ids(self, path: str) -> set[str]:
        return {asked.headers["webhook-id"] for asked in self._at(path, self.server.asked)}

    def checked(self, asked: Asked) -> dict[str, Any]:
        assert asked.method == "POST"
        assert asked.headers["content-type"] == "application/json"
        message: dict[str, Any] = Webhook(self.secret).verify(asked.body, asked.headers)
        return message

    def _at(self, path: str, asked: list[Asked]) -> list[Asked]:
        return [one for one in asked if one.path == path]


# All of their own, not the other tests': their API would send these webhooks, too, and it may call no inner host.
@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    few = {"allowed_inner_hosts": "127.0.0.1", "webhook_retries_s": RETRIES, "webhook_timeout_s": 2.0}
    with redis_server() as redis:
        yield serving_settings(tmp_path_factory.mktemp("webhooks"), redis.url).model_copy(update=few)


services, worker, api = shared.services, shared.worker, shared.api  # made anew here, with the settings above


@pytest.fixture(scope="session")
def endpoint(api: httpx.Client) -> Iterator[Endpoint]:
    with receiver() as server:
        endpoint = Endpoint(server, secret=api.get("/webhooks/secrets").json()["secrets"][0])
        server.answer = endpoint.answer
        yield endpoint


@dataclass
class Deliveries:
    """What the API says of a job's deliveries."""

    api: httpx.Client
    worker: PretendingWorker

    def of(self, job_id: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self.api.get(f"/jobs/{job_id}/deliveries").json()["items"]
        return items

    def succeeded(self, **fields: Any) -> str:
        """Return a personalization that has succeeded."""
        job_id: str = personalize(self.api, **fields).json()["id"]
        self.worker.succeed(self.worker.take(job_id))
        return job_id


@pytest.fixture
def deliveries(api: httpx.Client, worker: PretendingWorker) -> Deliveries:
    return Deliveries(api, worker)
