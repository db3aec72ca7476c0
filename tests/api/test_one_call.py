"""`POST /personalize` with `edits`, and pictures in the answer itself."""

from __future__ import annotations

import base64
import json
from typing import Any

import httpx
import pytest

from core.config import Settings
from core.models.recipes import FAST
from core.services import Services
from tests.api.problems import check
from tests.api.serving import PretendingWorker, api_server, edit, personalize, picture

EDITS: list[dict[str, Any]] = [{"prompt": "a sitting dog", "seed": 3}, {"prompt": "a dog in the snow", "num_images": 2}]


def one_call(
    api: httpx.Client, edits: object, *, headers: dict[str, str] | None = None, **query: str
) -> httpx.Response:
    uri = "data:image/png;base64," + base64.b64encode(picture()).decode()
    body = {"prompt": "a standing dog", "picture": uri, "edits": edits}
    return api.post("/personalize", json=body, headers=headers, params=query)


def test_the_answer_lists_the_edits_that_were_accepted_with_the_tail(api: httpx.Client) -> None:
    answer = one_call(api, EDITS)
    assert answer.status_code == 202
    job = answer.json()
    assert [(e["prompt"], e["kind"], e["status"], e["tail_id"]) for e in job["edits"]] == [
        ("a sitting dog", "edit", "waiting", job["tail_id"]),
        ("a dog in the snow", "edit", "waiting", job["tail_id"]),
    ]
    assert job["edits"][0]["seed"] == 3
    assert job["edits"][1]["parameters"] == FAST.edit.model_dump() | {"num_images": 2}
    for part in job["edits"]:
        assert api.get(f"/jobs/{part['id']}").json()["prompt"] == part["prompt"]
    assert [e["id"] for e in api.get(f"/jobs/{job['id']}").json()["edits"]] == [e["id"] for e in job["edits"]]


def test_a_form_sends_the_edits_as_json(api: httpx.Client) -> None:
    job = personalize(api, edits=json.dumps(EDITS)).json()
    assert [e["prompt"] for e in job["edits"]] == ["a sitting dog", "a dog in the snow"]
    repeated = personalize(api, edits=[json.dumps(edit) for edit in EDITS]).json()
    assert [e["prompt"] for e in repeated["edits"]] == [e["prompt"] for e in job["edits"]]
    assert len(personalize(api, edits=json.dumps(EDITS[0])).json()["edits"]) == 1
    assert personalize(api, edits="").json()["edits"] == []
    check(personalize(api, edits="[{"), 422, "invalid-input", "edits")


@pytest.mark.parametrize(
    ("wrong", "type_", "field"),
    [
        ({"prompt": ""}, "invalid-input", "edits.1.prompt"),
        ({"prompt": " ".join(["dog"] * 40)}, "prompt-too-long", "edits.1.prompt"),
        ({"prompt": "a dog", "num_images": 9}, "invalid-input", "edits.1.num_images"),
        ({"prompt": "a dog", "num_images": "2"}, "invalid-input", "edits.1.num_images"),
        ({"prompt": "a dog", "recipe": "slow"}, "invalid-input", "edits.1.recipe"),
        ({"prompt": "a dog", "model": "sd15"}, "wrong-model", "edits.1.model"),
        ({"prompt": "a dog", "tail_id": "tail_" + "0" * 24}, "invalid-input", "edits.1.tail_id"),
        ({}, "invalid-input", "edits.1.prompt"),
        ("a dog", "invalid-input", "edits.1"),
    ],
)
def test_one_wrong_edit_refuses_all_by_the_name_of_its_field(
    api: httpx.Client, services: Services, wrong: object, type_: str, field: str
) -> None:
    accepted = services.live.open_jobs.count()
    check(one_call(api, [EDITS[0], wrong]), 422, type_, field)
    assert services.live.open_jobs.count() == accepted


def test_more_edits_than_the_limit_are_refused(api: httpx.Client) -> None:
    assert check(one_call(api, [{"prompt": "a dog"}] * 17), 422, "invalid-input", "edits")["limit"] == 16


def test_edits_for_which_there_is_no_room_refuse_the_whole_call(settings: Settings, services: Services) -> None:
    room = services.jobs.queued("edit") + 1
    with api_server(settings.model_copy(update={"max_queued": room})) as api:
        accepted = services.live.open_jobs.count()
        assert one_call(api, EDITS).status_code == 429
        assert services.live.open_jobs.count() == accepted


def test_the_call_again_with_its_key_lists_the_same_edits(api: httpx.Client) -> None:
    key = {"Idempotency-Key": "one call twice"}
    first, again = (one_call(api, EDITS, headers=key).json() for _ in "ab")
    assert [e["id"] for e in again["edits"]] == [e["id"] for e in first["edits"]]
    check(one_call(api, EDITS[:1], headers=key), 422, "idempotency-conflict")


def test_one_call_brings_the_pictures(api: httpx.Client, working: None) -> None:
    answer = one_call(api, EDITS, headers={"Prefer": "wait=60"}, inline="true")
    assert answer.status_code == 200
    job = answer.json()
    assert [e["status"] for e in (job, *job["edits"])] == ["succeeded"] * 3
    results = [result for e in job["edits"] for result in e["results"]]
    assert [base64.b64decode(result["base64"]) for result in results] == [picture("red")] * 3
    assert api.get(results[0]["url"]).content == picture("red")


def test_pictures_come_in_the_answer_only_on_request_and_while_they_are_small(
    settings: Settings, api: httpx.Client, working: None
) -> None:
    tail = personalize(api, headers={"Prefer": "wait=60"}).json()
    job = edit(api, tail["tail_id"], num_images=3, headers={"Prefer": "wait=60"}).json()
    assert [result["base64"] for result in job["results"]] == [None] * 3
    room_for_two = settings.model_copy(update={"max_inline_bytes": 2 * len(picture("red")) + 1})
    with api_server(room_for_two) as other:
        results = other.get(f"/jobs/{job['id']}", params={"inline": "true"}).json()["results"]
        assert [result["base64"] is not None for result in results] == [True, True, False]
        assert other.get(results[2]["url"]).content == picture("red")


def test_edits_end_with_a_tail_that_is_not_made(api: httpx.Client, worker: PretendingWorker) -> None:
    job = one_call(api, EDITS).json()
    worker.fail(worker.take(job["id"]), "the loss was not finite")
    seen = api.get(f"/jobs/{job['id']}").json()["edits"]
    assert [e["status"] for e in seen] == ["failed"] * 2
    assert "the loss was not finite" in seen[0]["error"]["detail"]
