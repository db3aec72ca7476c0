from __future__ import annotations

import base64
import io

import httpx
import pytest
from PIL import Image

from core.models.recipes import FAST, PAPER
from core.services import Services
from tests.api.serving import PretendingWorker, edit, input_key, personalize, picture


def data_uri(data: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(data).decode()


def test_a_form_with_a_file_is_accepted_with_the_recipes_parameters(api: httpx.Client) -> None:
    answer = personalize(api, seed="7", steps="12")
    assert answer.status_code == 202
    job = answer.json()
    assert answer.headers["Location"] == f"/jobs/{job['id']}"
    assert int(answer.headers["Retry-After"]) >= 1
    assert (job["kind"], job["status"], job["seed"]) == ("personalize", "queued", 7)
    assert job["tail_id"] == job["id"].replace("job_", "tail_")
    assert job["parameters"] == FAST.personalize.model_dump() | {"steps": 12}
    assert api.get(answer.headers["Location"]).json()["prompt"] == "a standing dog"


def test_an_empty_field_of_a_form_is_one_that_was_not_sent(api: httpx.Client) -> None:
    key = {"Idempotency-Key": "empty fields"}
    job = personalize(api, seed="", steps="", model="", recipe="", headers=key).json()
    assert job["parameters"] == FAST.personalize.model_dump()
    assert personalize(api, headers=key).json()["id"] == job["id"]


def test_json_with_a_data_uri_is_the_same_request_as_a_form(api: httpx.Client, services: Services) -> None:
    body = {"prompt": "a standing dog", "picture": data_uri(picture("navy")), "recipe": "paper", "learning_rate": 0.01}
    answer = api.post("/personalize", json=body)
    assert answer.status_code == 202
    assert answer.json()["parameters"] == PAPER.personalize.model_dump() | {"learning_rate": 0.01}
    stored = Image.open(io.BytesIO(services.storage.get(input_key(services, answer.json()["id"]))))
    assert (stored.format, stored.size, stored.getpixel((5, 5))) == ("PNG", (64, 64), (0, 0, 128))


def test_fit_pad_keeps_the_whole_picture(api: httpx.Client, services: Services) -> None:
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize((256, 64)).save(buffer, "PNG")
    stored = {}
    for fit in ("crop", "pad"):
        files = {"picture": ("wide.png", buffer.getvalue())}
        job = api.post("/personalize", data={"prompt": "a dog", "fit": fit}, files=files).json()
        stored[fit] = services.storage.get(input_key(services, job["id"]))
    assert stored["crop"] != stored["pad"]


def test_a_seed_is_drawn_when_none_is_sent(api: httpx.Client) -> None:
    seeds = {personalize(api).json()["seed"] for _ in range(3)}
    assert len(seeds) == 3
    assert all(0 <= seed < 2**32 for seed in seeds)


def test_an_edit_sent_before_its_tail_is_ready_waits_and_is_then_queued(
    api: httpx.Client, worker: PretendingWorker
) -> None:
    tail = personalize(api).json()
    job = edit(api, tail["tail_id"], num_images=2).json()
    assert job["status"] == "waiting"
    assert job["parameters"] == FAST.edit.model_dump() | {"num_images": 2}
    worker.succeed(worker.take(tail["id"]))
    assert api.get(f"/jobs/{job['id']}").json()["status"] == "queued"


def test_an_edit_of_a_ready_tail_is_queued_with_its_tails_recipe(api: httpx.Client, worker: PretendingWorker) -> None:
    tail = personalize(api, recipe="paper").json()
    worker.succeed(worker.take(tail["id"]))
    job = edit(api, tail["tail_id"], tail_scale=1).json()
    assert job["status"] == "queued"
    assert job["parameters"] == PAPER.edit.model_dump() | {"tail_scale": 1}


def test_an_edit_may_be_a_form_too(api: httpx.Client) -> None:
    tail = personalize(api).json()
    answer = api.post("/edit", data={"tail_id": tail["tail_id"], "prompt": "a dog", "num_images": "3"})
    assert answer.status_code == 202
    assert answer.json()["parameters"]["num_images"] == 3


def test_an_edit_of_a_failed_tail_is_refused_with_the_reason(api: httpx.Client, worker: PretendingWorker) -> None:
    tail = personalize(api).json()
    worker.fail(worker.take(tail["id"]), "the loss was not finite")
    answer = edit(api, tail["tail_id"])
    assert answer.status_code == 422
    assert answer.json()["field"] == "tail_id"
    assert "the loss was not finite" in answer.json()["detail"]


def test_an_edit_of_a_canceled_tail_is_refused(api: httpx.Client) -> None:
    tail = personalize(api).json()
    api.delete(f"/jobs/{tail['id']}")
    answer = edit(api, tail["tail_id"])
    assert answer.status_code == 422
    assert "canceled" in answer.json()["detail"]


def test_an_edit_of_a_deleted_tail_is_gone(api: httpx.Client) -> None:
    tail = personalize(api).json()
    assert api.delete(f"/tails/{tail['tail_id']}").status_code == 200
    answer = edit(api, tail["tail_id"])
    assert (answer.status_code, answer.json()["type"]) == (410, "urn:tailor:problem:gone")


@pytest.mark.parametrize("kind", ["personalize", "edit"])
def test_the_same_key_and_request_return_the_same_job(api: httpx.Client, kind: str) -> None:
    tail_id = personalize(api).json()["tail_id"]
    key = {"Idempotency-Key": f"{kind}-{tail_id}"}
    first, again = (
        personalize(api, headers=key) if kind == "personalize" else edit(api, tail_id, headers=key) for _ in "ab"
    )
    assert "Idempotency-Replayed" not in first.headers
    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (202, "true")
    assert again.json()["id"] == first.json()["id"]
    assert again.json()["seed"] == first.json()["seed"]


def test_a_replay_of_an_ended_job_returns_it_as_it_is_now(api: httpx.Client, worker: PretendingWorker) -> None:
    key = {"Idempotency-Key": "replayed after the end"}
    worker.succeed(worker.take(personalize(api, headers=key).json()["id"]))
    again = personalize(api, headers=key)
    assert (again.status_code, again.json()["status"]) == (200, "succeeded")


def test_a_form_and_json_with_the_same_values_are_one_request(api: httpx.Client) -> None:
    key = {"Idempotency-Key": "form and json"}
    form = personalize(api, headers=key, steps="9")
    body = {"prompt": "a standing dog", "picture": data_uri(picture()), "steps": 9}
    assert api.post("/personalize", json=body, headers=key).json()["id"] == form.json()["id"]


@pytest.mark.parametrize("change", [{"prompt": "a cat"}, {"steps": "11"}, {"seed": "5"}])
def test_the_same_key_with_another_request_is_a_conflict(api: httpx.Client, change: dict[str, str]) -> None:
    key = {"Idempotency-Key": f"conflict {change}"}
    assert personalize(api, headers=key).status_code == 202
    answer = personalize(api, headers=key, **change)
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:tailor:problem:idempotency-conflict")
    assert "job_" not in answer.text


def test_the_same_key_with_another_picture_is_a_conflict(api: httpx.Client) -> None:
    key = {"Idempotency-Key": "another picture"}
    personalize(api, headers=key)
    files = {"picture": ("dog.png", picture("red"))}
    assert api.post("/personalize", data={"prompt": "a standing dog"}, files=files, headers=key).status_code == 422
