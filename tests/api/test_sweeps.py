"""Sweeps over HTTP: what is accepted, what is refused, and how the pictures are told."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from core.clock import utc_now
from core.jobs.records import JobEnd, JobStatus
from core.services import Services
from tests.api.problems import check
from tests.api.serving import PretendingWorker, picture
from tests.api.test_imports import FILE, send


@pytest.fixture(scope="module")
def tail(api: httpx.Client) -> str:
    return str(send(api, FILE).json()["id"])


def post(api: httpx.Client, tail: str, sweep: Any, **fields: Any) -> httpx.Response:
    return api.post("/edit", json={"tail_id": tail, "prompt": "a dog", "seed": 3, "sweep": sweep} | fields)


def test_every_picture_of_a_sweep_has_its_own_cell_and_receipt(
    api: httpx.Client, services: Services, tail: str, worker: PretendingWorker
) -> None:
    job = post(api, tail, {"prompt": ["a dog", "a cat"], "tail_scale": [0.5, 1]}).json()
    attempt = worker.take(job["id"], "edit")
    names = [attempt.key(f"{i}.png") for i in range(4)]
    grid = attempt.key("grid.png")
    for name in (*names, grid):
        services.storage.put(name, picture(), "image/png")
    receipt = {"request": {"prompt": "a dog", "seed": 3, "tail_id": tail, "sweep": {}}, "device": "cpu"}
    end = JobEnd(
        job_id=job["id"], status=JobStatus.SUCCEEDED, ended_at=utc_now(), attempt=attempt.number,
        result_keys=tuple(names), grid_key=grid, receipt=receipt,
    )  # fmt: skip
    assert services.jobs.finish(attempt.spec, end)
    services.jobs.close(attempt.spec, end)

    seen = api.get(f"/jobs/{job['id']}").json()

    assert [result["cell"] for result in seen["results"]] == [
        {"prompt": prompt, "tail_scale": scale} for prompt in ("a dog", "a cat") for scale in (0.5, 1)
    ]
    assert seen["results"][3]["receipt"] == {
        "request": {"prompt": "a cat", "seed": 3, "tail_id": tail, "tail_scale": 1},
        "device": "cpu",
    }
    for url in (seen["grid"]["url"], *(result["url"] for result in seen["results"])):
        assert httpx.get(url).content == picture()


def test_a_form_has_a_sweep_as_json_and_the_prompt_may_stand_in_it_alone(api: httpx.Client, tail: str) -> None:
    sweep = json.dumps({"prompt": ["a sitting dog", "a dog in the snow"]})

    answer = api.post("/edit", data={"tail_id": tail, "sweep": sweep})

    assert answer.status_code == 202, answer.text
    assert answer.json()["prompt"] == "a sitting dog"


def test_what_can_not_be_swept_is_refused_with_the_field(api: httpx.Client, tail: str) -> None:
    many = list(range(7))

    check(post(api, tail, {}), 422, "invalid-input", "sweep")
    check(post(api, tail, {"steps": [1]}), 422, "invalid-input", "sweep.steps")
    check(post(api, tail, {"seed": []}), 422, "invalid-input", "sweep.seed")
    check(post(api, tail, {"guidance_scale": [0.5]}), 422, "invalid-input", "sweep.guidance_scale.0")
    assert check(post(api, tail, {"seed": many, "prompt": ["a"] * 6}), 422, "invalid-input", "sweep")["limit"] == 36
    check(post(api, tail, {"seed": many}, num_images=2), 422, "invalid-input", "num_images")
    check(post(api, tail, {"prompt": ["a dog", "dog " * 50]}), 422, "prompt-too-long", "sweep.prompt.1")
    check(post(api, tail, {"seed": [1]}, prompt=""), 422, "invalid-input", "prompt")
    own = {"tails": [{"id": tail, "scale": 1}]}
    answer = api.post("/edit", json={"prompt": "a dog", "sweep": {"tail_scale": [1, 2]}} | own)
    check(answer, 422, "invalid-input", "sweep.tail_scale")


def test_a_sweep_that_ended_without_pictures_can_be_seen(
    api: httpx.Client, tail: str, worker: PretendingWorker
) -> None:
    canceled = post(api, tail, {"seed": [1, 2]}).json()["id"]
    assert api.delete(f"/jobs/{canceled}").status_code == 200
    failed = post(api, tail, {"seed": [1, 2]}).json()["id"]
    worker.fail(worker.take(failed, "edit"), "it was not to be")

    for id_, status in ((canceled, "canceled"), (failed, "failed")):
        seen = api.get(f"/jobs/{id_}").json()
        assert (seen["status"], seen["results"]) == (status, [])
    assert {canceled, failed} <= {job["id"] for job in api.get("/jobs").json()["items"]}
