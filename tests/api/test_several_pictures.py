"""One to sixteen pictures of the subject in one personalization, in forms and in JSON."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import httpx
import pytest
from PIL import Image

from core.config import Settings
from core.jobs import keys
from core.jobs.records import JobSpec
from core.services import Services
from tests.api.problems import check
from tests.api.serving import PretendingWorker, api_server, picture

COLORS = ("navy", "red", "teal")
SCENES = ["a standing dog", "a sitting dog", "a running dog"]


def data_uri(data: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(data).decode()


def form(api: httpx.Client, *pictures: bytes, key: str | None = None, **fields: Any) -> httpx.Response:
    files = [("picture", (f"{index}.png", data)) for index, data in enumerate(pictures)]
    headers = {"Idempotency-Key": key} if key else {}
    return api.post("/personalize", data={"prompt": "a dog"} | fields, files=files, headers=headers)


def as_json(api: httpx.Client, *pictures: bytes, key: str | None = None, **fields: Any) -> httpx.Response:
    body = {"picture": [data_uri(data) for data in pictures], "prompt": "a dog"} | fields
    return api.post("/personalize", json=body, headers={"Idempotency-Key": key} if key else {})


def three() -> list[bytes]:
    return [picture(color) for color in COLORS]


@pytest.mark.parametrize("send", [form, as_json])
def test_several_pictures_are_stored_in_their_order_each_with_its_prompt(
    api: httpx.Client, services: Services, send: Any
) -> None:
    answer = send(api, *three(), prompt=SCENES)
    assert answer.status_code == 202, answer.text
    job = answer.json()
    assert (job["pictures"], job["prompt"], job["prompts"]) == (3, SCENES[0], SCENES)
    stored = services.jobs.spec(job["id"]).pictures
    assert [each.prompt for each in stored] == SCENES
    images = [Image.open(io.BytesIO(services.storage.get(each.key))) for each in stored]
    assert [image.getpixel((5, 5)) for image in images] == [(0, 0, 128), (255, 0, 0), (0, 128, 128)]
    assert {(image.format, image.size) for image in images} == {("PNG", (64, 64))}
    assert api.get(f"/tails/{job['tail_id']}").json()["pictures"] == 3


@pytest.mark.parametrize("send", [form, as_json])
def test_one_prompt_is_for_all_pictures(api: httpx.Client, services: Services, send: Any) -> None:
    job = send(api, *three()).json()
    assert (job["pictures"], job["prompt"], job["prompts"]) == (3, "a dog", None)
    assert services.jobs.spec(job["id"]).source_prompts == ("a dog",) * 3


def test_one_picture_in_a_list_is_one_picture(api: httpx.Client) -> None:
    job = as_json(api, picture(), prompt=["a dog"]).json()
    assert (job["pictures"], job["prompt"], job["prompts"]) == (1, "a dog", None)


def test_the_same_picture_twice_counts_twice(api: httpx.Client, services: Services) -> None:
    spec = services.jobs.spec(form(api, picture(), picture(), prompt=SCENES[:2]).json()["id"])
    assert [each.prompt for each in spec.pictures] == SCENES[:2]
    assert len({each.key for each in spec.pictures}) == 1


def test_sixteen_pictures_are_taken_and_seventeen_are_not(api: httpx.Client) -> None:
    assert form(api, *[picture()] * 16).json()["pictures"] == 16
    for send in (form, as_json):
        document = check(send(api, *[picture()] * 17), 422, "invalid-input", "picture")
        assert document["limit"] == 16
    check(as_json(api), 422, "invalid-input", "picture")


@pytest.mark.parametrize("send", [form, as_json])
@pytest.mark.parametrize(
    ("bad", "reason"), [(b"GIF89a", "format"), (picture()[:60], "truncated"), (picture(size=(8, 80)), "too-small")]
)
def test_a_bad_picture_among_good_ones_is_named(api: httpx.Client, send: Any, bad: bytes, reason: str) -> None:
    document = check(send(api, picture(), picture(), bad), 422, "invalid-picture", "picture[2]")
    assert document["reason"] == reason
    assert document["detail"].startswith("picture[2] ")


@pytest.mark.parametrize(
    ("value", "type_"), [("http://x/y.png", "invalid-picture"), (7, "invalid-input"), (None, "invalid-input")]
)
def test_what_is_no_picture_in_a_json_list_is_named(api: httpx.Client, value: object, type_: str) -> None:
    body = {"picture": [data_uri(picture()), value], "prompt": "a dog"}
    check(api.post("/personalize", json=body), 422, type_, "picture[1]")


@pytest.mark.parametrize("send", [form, as_json])
def test_prompts_that_are_neither_one_nor_one_each_are_refused(api: httpx.Client, send: Any) -> None:
    document = check(send(api, *three(), prompt=SCENES[:2]), 422, "invalid-input", "prompt")
    assert "2 times for 3 pictures" in document["detail"]


@pytest.mark.parametrize("send", [form, as_json])
def test_a_wrong_prompt_among_several_is_named(api: httpx.Client, send: Any) -> None:
    check(send(api, *three(), prompt=["a dog", " ", "a dog"]), 422, "invalid-input", "prompt[1]")
    check(send(api, *three(), prompt=["a dog", "a dog", "dog " * 40]), 422, "prompt-too-long", "prompt[2]")


@pytest.mark.parametrize("prompt", [5, [], ["a dog", 5], {"a": "dog"}])
def test_prompts_of_another_type_are_refused(api: httpx.Client, prompt: object) -> None:
    check(as_json(api, picture(), picture(), prompt=prompt), 422, "invalid-input", "prompt")


def test_other_fields_must_not_be_repeated(api: httpx.Client) -> None:
    check(form(api, picture(), seed=["1", "2"]), 422, "invalid-input", "seed")
    assert form(api, picture(), seed="1").status_code == 202


def test_an_edit_has_one_prompt(api: httpx.Client) -> None:
    tail_id = form(api, picture()).json()["tail_id"]
    answer = api.post("/edit", data={"tail_id": tail_id, "prompt": ["a dog", "a cat"]})
    check(answer, 422, "invalid-input", "prompt")


def test_an_edit_starts_from_one_picture(api: httpx.Client) -> None:
    fields = {"tail_id": form(api, picture()).json()["tail_id"], "prompt": "a dog", "strength": 0.5}
    files = [("picture", data) for data in three()]
    check(api.post("/edit", data=fields, files=files), 422, "invalid-input", "picture")
    document = check(
        api.post("/edit", json=fields | {"picture": [data_uri(data) for data in three()]}),
        422,
        "invalid-input",
        "picture",
    )
    assert document["limit"] == 1


@pytest.mark.parametrize("send", [form, as_json])
def test_edits_and_labels_come_in_the_same_call(api: httpx.Client, services: Services, send: Any) -> None:
    edits: Any = [{"prompt": "a dog in the snow", "strength": 0.5}]
    job = send(
        api,
        *three(),
        prompt=SCENES,
        edits=edits if send is as_json else json.dumps(edits),
        labels={"name": "Rex"} if send is as_json else json.dumps({"name": "Rex"}),
    ).json()
    assert (job["prompts"], job["labels"]) == (SCENES, {"name": "Rex"})
    (edit,) = job["edits"]
    assert (edit["prompt"], edit["pictures"], edit["prompts"]) == ("a dog in the snow", None, None)
    assert services.jobs.spec(edit["id"]).pictures == ()


def test_bytes_and_pixels_are_limited_in_sum(settings: Settings, services: Services) -> None:
    size = len(picture())
    for limits, reason, limit in (
        ({"max_picture_bytes": 2 * size + 1}, "too-large", 2 * size + 1),
        ({"max_picture_pixels": 80 * 60 * 2}, "pixels", 80 * 60 * 2),
    ):
        with api_server(settings.model_copy(update=limits)) as api:
            assert form(api, picture(), picture()).status_code == 202
            document = check(form(api, picture(), picture(), picture()), 422, "invalid-picture", "picture[2]")
            assert document["reason"] == reason
            assert f"at most {limit} are taken" in document["detail"]


def test_the_same_key_compares_all_pictures_and_prompts_however_they_were_encoded(api: httpx.Client) -> None:
    first = form(api, *three(), prompt=SCENES, key="several").json()
    assert as_json(api, *three(), prompt=SCENES, key="several").json()["id"] == first["id"]
    for others, prompts in (
        (three()[:2], SCENES[:2]),
        (three()[::-1], SCENES),
        ([*three()[:2], picture("black")], SCENES),
        (three(), SCENES[::-1]),
        (three(), "a standing dog"),
    ):
        check(form(api, *others, prompt=prompts, key="several"), 422, "idempotency-conflict")


def test_one_prompt_for_all_is_the_same_request_as_that_prompt_for_each(api: httpx.Client) -> None:
    first = form(api, *three(), key="one for all").json()
    assert form(api, *three(), prompt=["a dog"] * 3, key="one for all").json()["id"] == first["id"]


def test_deletion_leaves_none_of_the_pictures(api: httpx.Client, services: Services, worker: PretendingWorker) -> None:
    job = form(api, *three()).json()
    worker.succeed(worker.take(job["id"]))
    kept = [info.key for info in services.storage.list(keys.job(job["id"])) if "/input-" in info.key]
    assert len(kept) == 3
    assert api.delete(f"/tails/{job['tail_id']}").status_code == 200
    assert [info.key for info in services.storage.list(keys.job(job["id"]))] == [keys.end(job["id"])]


def test_long_pictures_in_a_json_list_are_taken_wherever_they_stand(api: httpx.Client, services: Services) -> None:
    files = [picture(color) + b"\0" * 400_000 for color in COLORS]
    body = {"prompt": SCENES, "picture": [data_uri(data) for data in files], "seed": 7}
    plain = json.dumps(body)
    for text in (plain, json.dumps(dict(reversed(body.items())), indent=4), plain.replace("/", "\\/")):
        answer = api.post("/personalize", content=text, headers={"Content-Type": "application/json"})
        assert answer.status_code == 202, answer.text
        stored = services.jobs.spec(answer.json()["id"]).pictures
        colors = [Image.open(io.BytesIO(services.storage.get(each.key))).getpixel((5, 5)) for each in stored]
        assert colors == [(0, 0, 128), (255, 0, 0), (0, 128, 128)]


def test_a_job_that_an_earlier_version_accepted_has_its_one_picture() -> None:
    kept = {
        "id": "job_" + "1" * 24,
        "kind": "personalize",
        "created_at": "2026-01-01T00:00:00Z",
        "deadline_at": "2026-01-02T00:00:00Z",
        "model": "critters",
        "model_hash": "c0ffee",
        "prompt": "a standing dog",
        "seed": 1,
        "tail_id": "tail_" + "1" * 24,
        "picture_key": "jobs/x/input-a.png",
    }
    spec = JobSpec.model_validate_json(json.dumps(kept))
    assert [(each.key, each.prompt) for each in spec.pictures] == [("jobs/x/input-a.png", "a standing dog")]
