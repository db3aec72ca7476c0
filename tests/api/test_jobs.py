from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.api.serving import PretendingWorker, edit, personalize


def test_a_jobs_progress_is_shown_while_it_runs(api: httpx.Client, worker: PretendingWorker) -> None:
    job = personalize(api, steps="40").json()
    worker.progress(worker.take(job["id"]), 10, 40)
    answer = api.get(f"/jobs/{job['id']}")
    seen = answer.json()
    assert (seen["status"], seen["step"], seen["steps"], seen["progress"]) == ("running", 10, 40, 0.25)
    assert (seen["loss"], seen["eta_s"], seen["attempt"]) == (0.5, 2.0, 1)
    assert answer.headers["Retry-After"] == "2"


def test_a_queued_job_knows_how_many_are_before_it(api: httpx.Client, worker: PretendingWorker) -> None:
    first = personalize(api).json()
    second = personalize(api).json()
    positions = [api.get(f"/jobs/{job['id']}").json()["queue_position"] for job in (first, second)]
    assert positions[1] == positions[0] + 1


def test_an_edits_results_are_absolute_urls_that_serve_the_pictures(
    api: httpx.Client, worker: PretendingWorker
) -> None:
    tail = personalize(api).json()
    worker.succeed(worker.take(tail["id"]))
    job = edit(api, tail["tail_id"], num_images=2).json()
    worker.succeed(worker.take(job["id"], "edit"))
    answer = api.get(f"/jobs/{job['id']}")
    seen = answer.json()
    assert "Retry-After" not in answer.headers
    assert (seen["status"], seen["progress"], seen["receipt"]) == ("succeeded", 1.0, {"model": "critters"})
    assert seen["ended_at"] >= seen["created_at"]
    assert [result["index"] for result in seen["results"]] == [0, 1]
    for result in seen["results"]:
        assert result["url"].startswith(str(api.base_url))
        assert result["expires_at"] > seen["ended_at"]
        assert httpx.get(result["url"]).content.startswith(b"\x89PNG")


def test_a_failed_job_says_why(api: httpx.Client, worker: PretendingWorker) -> None:
    job = personalize(api).json()
    worker.fail(worker.take(job["id"]), "the loss was not finite")
    seen = api.get(f"/jobs/{job['id']}").json()
    assert seen["status"] == "failed"
    assert seen["error"] == {
        "type": "urn:tailor:problem:not-finite",
        "title": "Not finite",
        "detail": "the loss was not finite",
    }


def test_canceling_twice_is_the_same_as_once(api: httpx.Client) -> None:
    job = personalize(api).json()
    first, again = (api.delete(f"/jobs/{job['id']}") for _ in "ab")
    assert (first.status_code, first.json()["status"]) == (200, "canceled")
    assert again.json() == first.json()


def test_canceling_an_ended_job_changes_nothing(api: httpx.Client, worker: PretendingWorker) -> None:
    job = personalize(api).json()
    worker.succeed(worker.take(job["id"]))
    answer = api.delete(f"/jobs/{job['id']}")
    assert (answer.status_code, answer.json()["status"]) == (200, "succeeded")


def test_a_long_poll_answers_as_soon_as_the_status_changes_and_not_before(
    api: httpx.Client, worker: PretendingWorker, waiting: threading.Event
) -> None:
    path = f"/jobs/{personalize(api).json()['id']}"
    with ThreadPoolExecutor() as pool:
        poll = pool.submit(api.get, path, headers={"Prefer": "wait=60"})
        assert waiting.wait(timeout=20)
        attempt = worker.take(path.removeprefix("/jobs/"))
        assert poll.result(timeout=20).json()["status"] == "running"
        assert poll.result().headers["Preference-Applied"] == "wait=60"
        waiting.clear()
        poll = pool.submit(api.get, path, headers={"Prefer": "wait=60"})
        assert waiting.wait(timeout=20)
        worker.progress(attempt, 1, 40)
        worker.succeed(attempt)
        assert poll.result(timeout=20).json()["status"] == "succeeded"


def test_a_long_poll_of_an_ended_job_answers_at_once(api: httpx.Client) -> None:
    job = personalize(api).json()
    api.delete(f"/jobs/{job['id']}")
    answer = api.get(f"/jobs/{job['id']}", headers={"Prefer": "respond-async, wait=60"}, timeout=20)
    assert answer.json()["status"] == "canceled"


@pytest.mark.parametrize(
    ("prefer", "applied"), [("wait=1", "wait=1"), ("wait=0", "wait=0"), ("wait=soon", None), ("handling=strict", None)]
)
def test_a_long_poll_answers_after_its_time_with_what_there_is(
    api: httpx.Client, prefer: str, applied: str | None
) -> None:
    job = personalize(api).json()
    answer = api.get(f"/jobs/{job['id']}", headers={"Prefer": prefer})
    assert answer.json()["status"] == "queued"
    assert answer.headers.get("Preference-Applied") == applied
