"""Limits of the server and of what it serves."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import httpx
import pytest

from core.config import Settings
from core.models.info import ModelInfo
from core.services import Services
from tests.api.problems import check
from tests.api.serving import MODEL, api_server, edit, personalize, picture, publish


@pytest.fixture(scope="module")
def strict_api(settings: Settings, services: Services) -> Iterator[httpx.Client]:
    """A server with small limits on the same storage."""
    assert services.registry.models()
    with api_server(settings.model_copy(update={"max_picture_bytes": 1000})) as client:
        yield client


def test_a_body_over_the_limit_is_refused_whether_its_length_is_announced_or_not(strict_api: httpx.Client) -> None:
    big = b'{"picture": "' + b"A" * 100_000
    json_type = {"Content-Type": "application/json"}
    document = check(strict_api.post("/personalize", content=big, headers=json_type), 413, "payload-too-large")
    chunked = strict_api.post("/personalize", content=iter([big[:50_000], big[50_000:]]), headers=json_type)
    assert check(chunked, 413, "payload-too-large")["limit"] == document["limit"] < 100_000


def test_a_picture_over_the_limit_is_refused(strict_api: httpx.Client) -> None:
    files = {"picture": ("dog.png", b"\x89PNG\r\n\x1a\n" + b"A" * 1000)}
    answer = strict_api.post("/personalize", data={"prompt": "a dog"}, files=files)
    assert check(answer, 422, "invalid-picture", "picture")["reason"] == "too-large"


def test_a_full_queue_says_when_to_come_back_but_a_replay_is_answered(api: httpx.Client, settings: Settings) -> None:
    key = {"Idempotency-Key": "accepted before the queue was full"}
    accepted = personalize(api, headers=key)
    with api_server(settings.model_copy(update={"max_queued": 1})) as client:
        full = personalize(client)
        check(full, 429, "queue-full")
        assert full.headers["Retry-After"] == "30"
        assert personalize(client, headers=key).json()["id"] == accepted.json()["id"]


def test_a_model_that_no_worker_has_published_is_not_ready(settings: Settings) -> None:
    other = Settings(_env_file=None, storage=settings.storage, redis_url=settings.redis_url, models="other=/nowhere")
    with api_server(other) as client:
        answer = personalize(client)
        check(answer, 503, "model-not-ready")
        assert answer.headers["Retry-After"] == "5"


def test_a_tail_of_another_version_of_the_model_is_refused(settings: Settings, services: Services) -> None:
    with api_server(settings) as client:
        tail_id = personalize(client).json()["tail_id"]
    try:
        publish(services, ModelInfo.model_validate(MODEL.model_dump() | {"hash": "another"}))
        with api_server(settings) as client:  # a fresh one has no model cached
            check(edit(client, tail_id), 422, "wrong-model", "tail_id")
    finally:
        publish(services)


def test_a_data_uri_in_a_form_is_taken_too(api: httpx.Client) -> None:
    uri = "data:image/png;base64," + base64.b64encode(picture()).decode()
    assert api.post("/personalize", data={"prompt": "a dog", "picture": uri}).status_code == 202
