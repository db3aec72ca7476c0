"""What the API does while Redis or storage is away."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import Queue

import httpx
import pytest

from api import app as app_module
from api.views.jobs import JobView
from api.waiting import events, longpoll
from core.config import Settings
from core.errors import StorageUnavailableError
from core.services import Services, open_services
from tests.api.serving import PretendingWorker, api_server, edit, personalize, picture, publish, serving_settings
from tests.api.test_events import Event, parse, read
from tests.support.redis_server import RedisEndpoint, redis_server
from tests.support.s3_server import s3_server


@dataclass(frozen=True)
class Place:
    """A server with a Redis of its own, which may be killed."""

    api: httpx.Client
    redis: RedisEndpoint
    services: Services
    worker: PretendingWorker

    def until_in_line(self, job_id: str) -> None:
        """Wait until the server has told Redis of a job that it accepted while Redis was away."""
        until = time.monotonic() + 30
        while not self.services.live.records.known([job_id])[0]:
            assert time.monotonic() < until, "the server never told Redis"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setattr(events, "REREAD_S", 0.3)
    monkeypatch.setattr(longpoll, "REREAD_S", 0.3)
    with redis_server(append_only=True) as redis:
        settings = serving_settings(tmp_path, redis.url)
        services = open_services(settings)
        publish(services)
        with api_server(settings) as api:
            yield Place(api, redis, services, PretendingWorker(services))


def test_without_redis_jobs_are_accepted_and_are_queued_when_it_is_back(place: Place) -> None:
    place.redis.kill()
    job = personalize(place.api).json()
    assert job["status"] == "queued"
    assert place.api.get(f"/jobs/{job['id']}").json()["status"] == "queued"
    waiting = edit(place.api, job["tail_id"])
    assert (waiting.status_code, waiting.json()["status"]) == (202, "waiting")
    place.redis.start()
    for job_id in (job["id"], waiting.json()["id"]):
        place.until_in_line(job_id)
    place.worker.succeed(place.worker.take(job["id"]))
    assert place.api.get(f"/jobs/{waiting.json()['id']}").json()["status"] == "queued"


def test_without_redis_the_api_stays_ready_and_says_what_is_missing(place: Place) -> None:
    place.redis.kill()
    answer = place.api.get("/readyz")
    assert (answer.status_code, answer.json()["redis"], answer.json()["storage"]) == (200, False, True)
    assert "tailor_redis_up 0.0" in place.api.get("/metrics").text


def test_a_redis_that_hangs_holds_no_answer_up(place: Place) -> None:
    job_id = personalize(place.api).json()["id"]
    assert place.redis.process
    place.redis.process.send_signal(signal.SIGSTOP)
    try:
        assert personalize(place.api).status_code == 202
        assert place.api.get("/readyz").json()["redis"] is False
        assert place.api.get(f"/jobs/{job_id}", headers={"Prefer": "wait=1"}).json()["status"] == "queued"
        with place.api.stream("GET", f"/jobs/{job_id}/events") as answer:
            first = next(parse(answer.iter_lines()))
        assert isinstance(first, Event)
        assert (first.type, first.data["status"]) == ("snapshot", "queued")
    finally:
        place.redis.process.send_signal(signal.SIGCONT)


@pytest.mark.parametrize("reread_s", [0.3, events.REREAD_S])  # shorter and longer than Redis is tried again
def test_an_end_during_an_outage_reaches_a_long_poll_and_a_stream(
    place: Place, monkeypatch: pytest.MonkeyPatch, reread_s: float
) -> None:
    monkeypatch.setattr(events, "REREAD_S", reread_s)
    monkeypatch.setattr(longpoll, "REREAD_S", reread_s)
    job_id = personalize(place.api).json()["id"]
    attempt = place.worker.take(job_id)
    with ThreadPoolExecutor() as pool:
        place.redis.kill()
        poll = pool.submit(place.api.get, f"/jobs/{job_id}", headers={"Prefer": "wait=25"})
        told = pool.submit(tell, place.api, job_id, seen := Queue[Event]())
        assert seen.get(timeout=25).data["status"] == "running"
        place.worker.succeed(attempt)
        assert poll.result(timeout=25).json()["status"] == "succeeded"
        told.result(timeout=25)
    assert [(event.type, event.data["status"]) for event in seen.queue] == [("snapshot", "succeeded")]


def test_a_stream_does_not_go_back_to_the_beginning_when_redis_goes_away(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Storage, which it then asks, knows no progress."""
    looked, view_of = threading.Event(), events.EventFeed._view

    async def view(feed: events.EventFeed) -> JobView:
        found = await view_of(feed)
        looked.set()
        return found

    monkeypatch.setattr(events.EventFeed, "_view", view)
    job_id = personalize(place.api).json()["id"]
    attempt = place.worker.take(job_id)
    place.worker.progress(attempt, 90, 100)
    with ThreadPoolExecutor() as pool:
        told = pool.submit(tell, place.api, job_id, seen := Queue[Event]())
        assert [seen.get(timeout=25).type for _ in range(3)] == ["status", "status", "progress"]
        looked.clear()
        place.redis.kill()
        assert looked.wait(25)
        place.worker.succeed(attempt)
        told.result(timeout=25)
    assert [(event.type, event.data["status"]) for event in seen.queue] == [("snapshot", "succeeded")]


def tell(api: httpx.Client, job_id: str, seen: Queue[Event]) -> None:
    """Put a job's events into `seen` as they come, until the server ends the stream."""
    with api.stream("GET", f"/jobs/{job_id}/events") as answer:
        for event in parse(answer.iter_lines()):
            if isinstance(event, Event):
                seen.put(event)


def test_after_an_outage_events_come_as_they_happen_again(place: Place) -> None:
    place.redis.kill()
    job_id = personalize(place.api).json()["id"]
    with ThreadPoolExecutor() as pool:
        stream = pool.submit(read, place.api, job_id)
        place.redis.start()
        place.until_in_line(job_id)
        place.worker.succeed(place.worker.take(job_id))
        seen = stream.result(timeout=25)
    assert seen[-1].data["status"] == "succeeded"


def test_without_storage_nothing_is_accepted_and_the_api_is_not_ready(
    settings: Settings, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise StorageUnavailableError("storage does not answer", retry_after_s=5)

    def opened(settings: Settings) -> Services:
        opened = open_services(settings)
        opened.registry.models()
        for call in ("put", "create", "get", "head"):
            monkeypatch.setattr(opened.storage, call, away)
        return opened

    monkeypatch.setattr(app_module, "open_services", opened)
    with api_server(settings) as api:
        for answer in (personalize(api), edit(api, "tail_" + "0" * 24), api.get("/readyz")):
            assert (answer.status_code, answer.json()["type"]) == (503, "urn:tailor:problem:storage-unavailable")
            assert answer.headers["Retry-After"] == "5"
        assert api.get("/readyz").json()["storage"] is False
        assert api.get("/healthz").status_code == 200


@pytest.mark.slow
def test_the_whole_way_works_on_s3_with_urls_that_s3_itself_serves() -> None:
    with s3_server() as s3, redis_server() as redis:
        settings = Settings(
            _env_file=None,
            storage="s3://tailor/main",
            redis_url=redis.url,
            s3_endpoint_url=s3.endpoint_url,
            s3_access_key=s3.access_key,
            s3_secret_key=s3.secret_key,
        )
        services = open_services(settings)
        publish(services)
        worker = PretendingWorker(services)
        with api_server(settings) as api:
            tail = personalize(api).json()
            worker.succeed(worker.take(tail["id"]), b"the tail")
            job = edit(api, tail["tail_id"]).json()
            worker.succeed(worker.take(job["id"], "edit"))
            [result] = api.get(f"/jobs/{job['id']}").json()["results"]
            assert result["url"].startswith(s3.endpoint_url)
            shown = httpx.get(result["url"])
            assert (shown.content, shown.headers["Content-Type"]) == (picture("red"), "image/png")
            assert api.get(f"/tails/{tail['tail_id']}/file", follow_redirects=True).content == b"the tail"
