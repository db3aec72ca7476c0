"""Previews on their way to clients: in the job and as events, once each, over a new API process, too."""

from __future__ import annotations

import httpx

from core.config import Settings
from core.jobs.records import PreviewRecord
from core.services import Services
from tests.api.serving import PretendingWorker, api_server, personalize
from tests.api.test_events import Event, parse, read

PICTURE = "data:image/jpeg;base64,/9j/"


def show(services: Services, job_id: str, attempt: int, step: int) -> None:
    services.live.records.preview(job_id, attempt, PreviewRecord(step=step, picture=PICTURE))


def steps(events: list[Event]) -> list[int]:
    """Return the steps of the previews among events."""
    return [event.data["step"] for event in events if event.type == "preview"]


def test_the_newest_preview_is_in_the_job_until_it_ends(
    api: httpx.Client, services: Services, worker: PretendingWorker
) -> None:
    job = personalize(api, previews="true").json()
    assert (job["parameters"]["previews"], job["preview"]) == (True, None)
    attempt = worker.take(job["id"])

    for step in (5, 10):
        show(services, job["id"], attempt.number, step)

    assert api.get(f"/jobs/{job['id']}").json()["preview"] == {"step": 10, "picture": PICTURE}
    worker.succeed(attempt)
    assert api.get(f"/jobs/{job['id']}").json()["preview"] is None


def test_each_preview_is_told_once_also_by_an_api_that_was_started_meanwhile(
    api: httpx.Client, services: Services, settings: Settings, worker: PretendingWorker
) -> None:
    job_id = personalize(api, previews="true").json()["id"]
    attempt = worker.take(job_id)
    show(services, job_id, attempt.number, 5)
    with api.stream("GET", f"/jobs/{job_id}/events") as stream:
        first = next(
            event for event in parse(stream.iter_lines()) if isinstance(event, Event) and event.type == "preview"
        )
    show(services, job_id, attempt.number, 10)
    show(services, job_id, attempt.number - 1, 99)  # of an attempt that was lost
    worker.succeed(attempt)
    show(services, job_id, attempt.number, 15)  # after the end

    with api_server(settings) as other:
        assert (first.data, steps(read(other, job_id, first.id))) == ({"step": 5, "picture": PICTURE}, [10])
        assert steps(read(other, job_id)) == [5, 10]
