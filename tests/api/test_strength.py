"""Edits that keep a picture's layout: `strength`, from the tail's own picture or another."""

from __future__ import annotations

import base64
import io

import httpx
import pytest
from PIL import Image

from core.services import Services
from tests.api.problems import check
from tests.api.serving import PretendingWorker, edit, personalize, picture
from tests.api.test_imports import FILE, send


@pytest.fixture(scope="module")
def tail(api: httpx.Client) -> str:
    return str(personalize(api).json()["tail_id"])


@pytest.fixture(scope="module")
def imported(api: httpx.Client) -> str:
    return str(send(api, FILE).json()["id"])


def stored_picture(services: Services, job_id: str) -> Image.Image:
    spec = services.jobs.spec(job_id)
    assert spec.picture_key
    return Image.open(io.BytesIO(services.storage.get(spec.picture_key)))


def test_an_edit_starts_from_the_tails_own_picture_and_keeps_none_of_its_own(
    api: httpx.Client, services: Services, tail: str
) -> None:
    job = edit(api, tail, strength=0.5).json()

    assert job["parameters"]["strength"] == 0.5
    assert services.jobs.spec(job["id"]).picture_key is None
    assert edit(api, tail, picture=None, picture_url=None).status_code == 202  # as JSON says that there is none
    assert api.post("/edit", data={"tail_id": tail, "prompt": "a dog", "picture": ""}).status_code == 202


def test_an_edit_may_start_from_another_picture_as_the_model_sees_it(
    api: httpx.Client, services: Services, imported: str, worker: PretendingWorker
) -> None:
    fields = {"tail_id": imported, "prompt": "a sitting dog", "strength": "0.6"}

    answer = api.post("/edit", data=fields, files={"picture": ("room.png", picture("red", (300, 200)))})

    assert answer.status_code == 202, answer.text
    seen = stored_picture(services, answer.json()["id"])
    assert (seen.size, seen.getpixel((5, 5))) == ((64, 64), (255, 0, 0))
    assert worker.take(answer.json()["id"], "edit").spec.picture_key


def test_the_picture_may_be_a_data_uri_and_is_part_of_the_request(api: httpx.Client, imported: str) -> None:
    def post(color: str) -> httpx.Response:
        uri = "data:image/png;base64," + base64.b64encode(picture(color)).decode()
        fields = {"tail_id": imported, "prompt": "a sitting dog", "strength": 0.6, "picture": uri}
        return api.post("/edit", json=fields, headers={"Idempotency-Key": "with a picture"})

    first, again, other = post("red"), post("red"), post("blue")

    assert (first.status_code, again.json()["id"]) == (202, first.json()["id"])
    check(other, 422, "idempotency-conflict")


def test_what_can_not_be_started_from_is_said_at_once(api: httpx.Client, tail: str, imported: str) -> None:
    with_picture = {"files": {"picture": ("a.png", picture())}}

    check(edit(api, tail, strength=0.05, num_inference_steps=10), 422, "invalid-input", "strength")
    check(edit(api, tail, strength=1.1), 422, "invalid-input", "strength")
    check(edit(api, imported, strength=0.5), 422, "invalid-input", "picture")
    fields = {"tail_id": tail, "prompt": "a dog"}
    check(api.post("/edit", data=fields, **with_picture), 422, "invalid-input", "strength")
    answer = api.post("/edit", data=fields | {"strength": "0.5"}, files={"picture": ("a.png", b"no picture")})
    check(answer, 422, "invalid-picture")
