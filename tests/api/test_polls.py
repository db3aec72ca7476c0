"""Many polls at once: they are read together, and say what is so."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from core.jobs.records import JobEnd, JobStatus
from core.services import Services
from tests.api.serving import personalize


def test_polls_of_many_jobs_are_answered_each_with_its_own(api: httpx.Client, services: Services) -> None:
    jobs = [personalize(api, seed=str(n)).json()["id"] for n in range(20)]

    def poll(job_id: str) -> str:
        return str(httpx.get(f"{api.base_url}/jobs/{job_id}").json()["id"])

    with ThreadPoolExecutor(20) as pool:
        for _ in range(3):
            assert list(pool.map(poll, jobs)) == jobs


def test_an_end_that_redis_has_not_heard_of_is_seen_after_some_seconds(
    api: httpx.Client, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.jobs.reading.states.LOOK_EVERY_S", 0.0)
    job = personalize(api).json()
    assert api.get(f"/jobs/{job['id']}").json()["status"] == "queued"
    end = JobEnd(job_id=job["id"], status=JobStatus.CANCELED, ended_at=services.clock.now())

    services.storage.create(f"jobs/{job['id']}/end.json", end.model_dump_json().encode())

    assert api.get(f"/jobs/{job['id']}").json()["status"] == "canceled"


def test_a_job_that_is_polled_is_canceled_for_who_polls_it(api: httpx.Client) -> None:
    job = personalize(api).json()
    for _ in range(3):
        assert api.get(f"/jobs/{job['id']}").json()["status"] == "queued"

    assert api.delete(f"/jobs/{job['id']}").json()["status"] == "canceled"
    assert api.get(f"/jobs/{job['id']}").json()["status"] == "canceled"


@pytest.mark.parametrize("query", ["", "?inline=false", "?more=1"])
def test_both_ways_through_the_route_give_the_same_answer(api: httpx.Client, query: str) -> None:
    job = personalize(api).json()

    answer = api.get(f"/jobs/{job['id']}{query}", headers={"Prefer": "wait=0"})

    assert answer.status_code == 200
    assert answer.headers["Preference-Applied"] == "wait=0"
    assert answer.json()["id"] == job["id"]
    missing = api.get(f"/jobs/job_{'0' * 24}{query}")
    assert (missing.status_code, missing.json()["type"]) == (404, "urn:tailor:problem:not-found")
    assert api.get(f"/jobs/{job['id']}?inline=perhaps").status_code == 422
