from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from api.waiting import events
from core.config import Settings
from core.live.names import changed_channel, events_key
from core.services import Services
from tests.api.serving import PretendingWorker, api_server, personalize


@dataclass(frozen=True)
class Event:
    id: str
    type: str
    data: dict[str, Any]


def parse(lines: Iterator[str]) -> Iterator[Event | str]:
    """Yield a stream's events; comments as text."""
    fields: dict[str, str] = {}
    for line in lines:
        if line.startswith(":"):
            yield line
        elif line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif fields:
            yield Event(fields.get("id", ""), fields["event"], json.loads(fields["data"]))
            fields = {}


def read(api: httpx.Client, job_id: str, last: str | None = None) -> list[Event]:
    """Return a job's events, comments left out, until the server ends the stream."""
    headers = {"Last-Event-ID": last} if last else {}
    with api.stream("GET", f"/jobs/{job_id}/events", headers=headers) as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        return [event for event in parse(answer.iter_lines()) if isinstance(event, Event)]


def ended_job(api: httpx.Client, worker: PretendingWorker) -> str:
    job_id = str(personalize(api).json()["id"])
    attempt = worker.take(job_id)
    worker.progress(attempt, 1, 2)
    worker.succeed(attempt)
    return job_id


def test_a_stream_tells_a_job_from_its_beginning_to_its_end(api: httpx.Client, worker: PretendingWorker) -> None:
    seen = read(api, ended_job(api, worker))
    assert [(e.type, e.data.get("status") or e.data.get("step")) for e in seen] == [
        ("status", "queued"),
        ("status", "running"),
        ("progress", 1),
        ("status", "succeeded"),
    ]


def test_events_come_as_they_happen(api: httpx.Client, worker: PretendingWorker) -> None:
    job_id = str(personalize(api).json()["id"])
    with api.stream("GET", f"/jobs/{job_id}/events") as answer:
        seen = parse(answer.iter_lines())
        assert next(seen).data["status"] == "queued"  # type: ignore[union-attr]  # a comment would fail the test
        attempt = worker.take(job_id)
        assert next(seen).data["status"] == "running"  # type: ignore[union-attr]
        worker.progress(attempt, 1, 2)
        assert next(seen).data["step"] == 1  # type: ignore[union-attr]
        worker.succeed(attempt)
        assert next(seen).data["status"] == "succeeded"  # type: ignore[union-attr]
        assert list(seen) == []


def test_a_client_that_comes_back_gets_only_what_it_has_missed(api: httpx.Client, worker: PretendingWorker) -> None:
    job_id = ended_job(api, worker)
    everything = read(api, job_id)
    assert read(api, job_id, last=everything[1].id) == everything[2:]


def test_a_client_that_comes_back_after_the_end_gets_204_and_stays_away(
    api: httpx.Client, worker: PretendingWorker
) -> None:
    job_id = ended_job(api, worker)
    last = read(api, job_id)[-1].id
    assert api.get(f"/jobs/{job_id}/events", headers={"Last-Event-ID": last}).status_code == 204


def test_when_the_stream_is_lost_a_snapshot_tells_the_end(
    api: httpx.Client, worker: PretendingWorker, services: Services
) -> None:
    job_id = ended_job(api, worker)
    before = read(api, job_id)
    services.live.client.delete(events_key(job_id))
    [snapshot] = read(api, job_id, last=before[1].id)
    assert (snapshot.type, snapshot.data["status"], snapshot.data["id"]) == ("snapshot", "succeeded", job_id)
    assert api.get(f"/jobs/{job_id}/events", headers={"Last-Event-ID": snapshot.id}).status_code == 204


@pytest.mark.parametrize("last", [None, "1-0"])
def test_when_the_stream_was_trimmed_a_snapshot_comes_first(
    api: httpx.Client, worker: PretendingWorker, services: Services, last: str | None
) -> None:
    job_id = str(personalize(api).json()["id"])
    attempt = worker.take(job_id)
    worker.progress(attempt, 1, 2)
    services.live.client.xtrim(events_key(job_id), maxlen=1, approximate=False)
    with api.stream("GET", f"/jobs/{job_id}/events", headers={"Last-Event-ID": last} if last else {}) as answer:
        seen = parse(answer.iter_lines())
        snapshot = next(seen)
        assert isinstance(snapshot, Event)
        assert (snapshot.type, snapshot.data["status"], snapshot.data["step"]) == ("snapshot", "running", 1)
        worker.succeed(attempt)
        assert [event.data for event in seen if isinstance(event, Event)] == [{"status": "succeeded"}]


def test_an_end_that_redis_never_heard_of_ends_the_stream_too(
    api: httpx.Client, worker: PretendingWorker, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = ended_job(api, worker)
    end = read(api, job_id)[-1].id
    services.live.client.xdel(events_key(job_id), end)
    monkeypatch.setattr(events, "REREAD_S", 0.1)
    seen = read(api, job_id)
    assert (seen[-1].type, seen[-1].data["status"]) == ("snapshot", "succeeded")


def test_an_end_seen_in_storage_first_overtakes_no_event(
    api: httpx.Client, worker: PretendingWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stream looked into storage while the job ended: it told a snapshot, and not the step before the end."""
    monkeypatch.setattr(events, "REREAD_S", 0.01)
    job_id, view = str(personalize(api).json()["id"]), events.EventFeed._view
    looked: list[bool] = []

    async def late(feed: events.EventFeed) -> Any:
        if not looked:
            looked.append(True)
            await asyncio.to_thread(end)
        return await view(feed)

    def end() -> None:
        attempt = worker.take(job_id)
        worker.progress(attempt, 1, 2)
        worker.succeed(attempt)

    monkeypatch.setattr(events.EventFeed, "_view", late)
    seen = read(api, job_id)
    assert looked
    assert [(e.type, e.data.get("status") or e.data.get("step")) for e in seen] == [
        ("status", "queued"),
        ("status", "running"),
        ("progress", 1),
        ("status", "succeeded"),
    ]


def test_a_silent_job_has_a_heartbeat(
    api: httpx.Client, worker: PretendingWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "REREAD_S", 0.1)
    monkeypatch.setattr(events, "HEARTBEAT_S", 0.2)
    job_id = personalize(api).json()["id"]
    with api.stream("GET", f"/jobs/{job_id}/events") as answer:
        seen = parse(answer.iter_lines())
        assert [next(seen) for _ in range(3)][1:] == [": ping", ": ping"]


def test_many_streams_of_one_job_share_one_reader(
    api: httpx.Client, worker: PretendingWorker, services: Services
) -> None:
    job_id = str(personalize(api).json()["id"])
    with ThreadPoolExecutor(8) as pool:
        streams = [pool.submit(read, api, job_id) for _ in range(8)]
        attempt = worker.take(job_id)
        channel = changed_channel(job_id)
        assert dict(services.live.client.pubsub_numsub(channel)) == {channel: 1}
        worker.succeed(attempt)
        assert len({tuple(e.id for e in stream.result(timeout=20)) for stream in streams}) == 1


def test_the_events_of_an_unknown_job_are_not_found(api: httpx.Client) -> None:
    assert api.get(f"/jobs/job_{'0' * 24}/events").status_code == 404


@pytest.mark.parametrize("ended", [True, False], ids=["ended", "running"])
def test_an_event_id_of_the_future_gets_a_snapshot_at_once(
    api: httpx.Client, worker: PretendingWorker, monkeypatch: pytest.MonkeyPatch, ended: bool
) -> None:
    monkeypatch.setattr(events, "REREAD_S", 3600)  # nothing else would bring the snapshot
    job_id = str(personalize(api).json()["id"])
    attempt = worker.take(job_id)
    if ended:
        worker.succeed(attempt)
    headers = {"Last-Event-ID": "9999999999999-0"}
    with api.stream("GET", f"/jobs/{job_id}/events", headers=headers) as answer:
        first = next(parse(answer.iter_lines()))
    assert isinstance(first, Event)
    assert (first.type, first.data["status"]) == ("snapshot", "succeeded" if ended else "running")


def test_a_stopping_server_ends_streams_and_long_polls_without_cutting_them_off(
    settings: Settings, services: Services, waiting: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    with ThreadPoolExecutor() as pool, httpx.Client(timeout=60) as outside:
        with api_server(settings, graceful_s=60) as api:  # it stops at the end of this block
            outside.base_url = api.base_url
            job_id = personalize(api).json()["id"]
            stream = pool.submit(read, outside, job_id)
            assert waiting.wait(60)
            waiting.clear()
            poll = pool.submit(outside.get, f"/jobs/{job_id}", headers={"Prefer": "wait=60"}, timeout=120)
            assert waiting.wait(60)
        assert [event.data["status"] for event in stream.result()] == ["queued"]
        assert poll.result().json()["status"] == "queued"
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []
