"""Several tails in one edit, over HTTP."""

from __future__ import annotations

import json

import httpx
import pytest

from core.jobs.ids import job_of, new_job_id, tail_of
from core.jobs.records import JobEnd
from core.services import Services
from tests.api.problems import check
from tests.api.serving import PretendingWorker, personalize
from tests.api.test_imports import FILE, send


@pytest.fixture(scope="module")
def tails(api: httpx.Client) -> list[str]:
    """Tails whose files say that they are residual ones."""
    return [send(api, FILE).json()["id"] for _ in range(3)]


def post(api: httpx.Client, **fields: object) -> httpx.Response:
    return api.post("/edit", json={"prompt": "two dogs"} | fields)


def test_an_edit_uses_several_tails_each_with_its_own_scale(
    api: httpx.Client, worker: PretendingWorker, tails: list[str]
) -> None:
    uses = [{"id": tails[0], "scale": 0.7}, {"id": tails[1]}]

    answer = post(api, tails=uses)

    assert answer.status_code == 202, answer.text
    job = api.get(f"/jobs/{answer.json()['id']}").json()
    assert (job["status"], job["tail_id"]) == ("queued", tails[0])
    assert job["tails"] == [{"id": tails[0], "scale": 0.7}, {"id": tails[1], "scale": None}]
    spec = worker.take(job["id"], "edit").spec
    assert spec.tail_ids == (tails[0], tails[1])


def test_a_form_has_them_as_json(api: httpx.Client, tails: list[str]) -> None:
    uses = json.dumps([{"id": tail, "scale": 1} for tail in tails])

    answer = api.post("/edit", data={"prompt": "two dogs", "tails": uses})

    assert answer.status_code == 202, answer.text
    assert [use["id"] for use in answer.json()["tails"]] == tails
    each = [json.dumps({"id": tail}) for tail in tails]
    repeated = api.post("/edit", data={"prompt": "two dogs", "tails": each}).json()
    assert [use["id"] for use in repeated["tails"]] == tails


def test_it_waits_for_the_one_that_is_not_ready(api: httpx.Client, tails: list[str], worker: PretendingWorker) -> None:
    learning = personalize(api).json()

    job = post(api, tails=[{"id": tails[0]}, {"id": learning["tail_id"]}]).json()

    assert job["status"] == "waiting"
    worker.succeed(worker.take(learning["id"]))
    assert api.get(f"/jobs/{job['id']}").json()["status"] == "queued"


def test_what_can_not_be_is_refused_with_the_field(api: httpx.Client, tails: list[str]) -> None:
    one, other = ({"id": tail} for tail in tails[:2])
    unknown = {"id": "tail_" + "0" * 24}

    check(post(api), 422, "invalid-input", "tail_id")
    check(post(api, tail_id=tails[0], tails=[other]), 422, "invalid-input", "tail_id")
    check(post(api, tails=[]), 422, "invalid-input", "tails")
    check(post(api, tails=[one, one]), 422, "invalid-input", "tails.1.id")
    check(post(api, tails=[one, unknown]), 404, "not-found", "tails.1.id")
    check(post(api, tails=[one, {"id": tails[1], "scale": 2.1}]), 422, "invalid-input", "tails.1.scale")
    check(post(api, tails=[one, other], tail_mode="replace"), 422, "invalid-input", "tail_mode")
    assert check(post(api, tails=[one] * 5), 422, "invalid-input", "tails")["limit"] == 4
    check(api.post("/edit", data={"prompt": "a dog", "tails": "["}), 422, "invalid-input", "tails")


def test_tails_of_two_models_have_no_edit_together(api: httpx.Client, services: Services, tails: list[str]) -> None:
    known = services.jobs.spec(job_of(tails[0]))
    job_id = new_job_id()
    foreign = known.model_copy(update={"id": job_id, "tail_id": tail_of(job_id), "model_hash": "0ther"})
    services.jobs.accept(foreign)
    services.jobs.finish(foreign, JobEnd.of_import(foreign, services.clock.now()))

    check(post(api, tails=[{"id": tails[0]}, {"id": foreign.tail_id}]), 422, "wrong-model", "tails.1.id")
