from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.api.problems import check
from tests.api.serving import edit, personalize, picture

LONG = " ".join(["dog"] * 40)
UNKNOWN_TAIL = "tail_" + "0" * 24
UNKNOWN_JOB = "job_" + "0" * 24

WRONG_PERSONALIZE: list[tuple[dict[str, Any], str, str]] = [
    ({"prompt": ""}, "invalid-input", "prompt"),
    ({"prompt": " \t"}, "invalid-input", "prompt"),
    ({"prompt": "a dog\x00"}, "invalid-input", "prompt"),
    ({"prompt": "a\ndog"}, "invalid-input", "prompt"),
    ({"prompt": "x" * 1001}, "invalid-input", "prompt"),
    ({"prompt": LONG}, "prompt-too-long", "prompt"),
    ({"model": "sd15"}, "invalid-input", "model"),
    ({"recipe": "slow"}, "invalid-input", "recipe"),
    ({"seed": "-1"}, "invalid-input", "seed"),
    ({"seed": str(2**32)}, "invalid-input", "seed"),
    ({"seed": "9" * 5000}, "invalid-input", "seed"),
    ({"unknown": ""}, "invalid-input", "unknown"),
    ({"seed": "one"}, "invalid-input", "seed"),
    ({"fit": "stretch"}, "invalid-input", "fit"),
    ({"positions": "0"}, "invalid-input", "positions"),
    ({"positions": "30"}, "invalid-input", "positions"),
    ({"steps": "0"}, "invalid-input", "steps"),
    ({"steps": "5001"}, "invalid-input", "steps"),
    ({"learning_rate": "0"}, "invalid-input", "learning_rate"),
    ({"learning_rate": "nan"}, "invalid-input", "learning_rate"),
    ({"learning_rate": "inf"}, "invalid-input", "learning_rate"),
    ({"learning_rate_schedule": "linear"}, "invalid-input", "learning_rate_schedule"),
    ({"timestep_low": "1000"}, "invalid-input", "timestep_low"),
    ({"timestep_low": "901"}, "invalid-input", "timestep_low"),
    ({"timestep_high": "-1"}, "invalid-input", "timestep_high"),
    ({"timestep_drift": "1000"}, "invalid-input", "timestep_drift"),
    ({"uniform_share": "1.5"}, "invalid-input", "uniform_share"),
    ({"posterior": "mode"}, "invalid-input", "posterior"),
    ({"exact": "perhaps"}, "invalid-input", "exact"),
    ({"steps_": "4"}, "invalid-input", "steps_"),
    ({"tail_scale": "1"}, "invalid-input", "tail_scale"),
]

WRONG_EDIT: list[tuple[dict[str, Any], int, str, str | None]] = [
    ({"tail_id": "tail"}, 404, "not-found", "tail_id"),
    ({"tail_id": UNKNOWN_TAIL}, 404, "not-found", "tail_id"),
    ({"tail_id": 5}, 422, "invalid-input", "tail_id"),
    ({"prompt": None}, 422, "invalid-input", "prompt"),
    ({"prompt": " "}, 422, "invalid-input", "prompt"),
    ({"prompt": LONG}, 422, "prompt-too-long", "prompt"),
    ({"prompt": "\ud800"}, 422, "invalid-input", "prompt"),
    ({"negative_prompt": LONG}, 422, "prompt-too-long", "negative_prompt"),
    ({"negative_prompt": "a\x07"}, 422, "invalid-input", "negative_prompt"),
    ({"num_images": 0}, 422, "invalid-input", "num_images"),
    ({"num_images": 9}, 422, "invalid-input", "num_images"),
    ({"num_images": "4"}, 422, "invalid-input", "num_images"),
    ({"num_images": True}, 422, "invalid-input", "num_images"),
    ({"num_images": 1.5}, 422, "invalid-input", "num_images"),
    ({"tail_scale": 2.1}, 422, "invalid-input", "tail_scale"),
    ({"tail_mode": "add"}, 422, "invalid-input", "tail_mode"),
    ({"guidance_scale": 0.5}, 422, "invalid-input", "guidance_scale"),
    ({"num_inference_steps": 201}, 422, "invalid-input", "num_inference_steps"),
    ({"sampler": "euler"}, 422, "invalid-input", "sampler"),
    ({"strength": 0}, 422, "invalid-input", "strength"),
    ({"recipe": "slow"}, 422, "invalid-input", "recipe"),
    ({"model": "sd15"}, 422, "wrong-model", "model"),
    ({"seed": 2**32}, 422, "invalid-input", "seed"),
    ({"\ud800": 1}, 422, "invalid-input", None),
    ({"steps": 4}, 422, "invalid-input", "steps"),
]


@pytest.mark.parametrize(("fields", "type_", "field"), WRONG_PERSONALIZE)
def test_a_wrong_personalization_is_refused_by_the_name_of_its_field(
    api: httpx.Client, fields: dict[str, Any], type_: str, field: str
) -> None:
    check(personalize(api, **fields), 422, type_, field)


@pytest.fixture(scope="module")
def tail_id(api: httpx.Client) -> str:
    return str(personalize(api).json()["tail_id"])


@pytest.mark.parametrize(("fields", "status", "type_", "field"), WRONG_EDIT)
def test_a_wrong_edit_is_refused_by_the_name_of_its_field(  # noqa: PLR0917 - pytest passes them by name
    api: httpx.Client, tail_id: str, fields: dict[str, Any], status: int, type_: str, field: str | None
) -> None:
    body = json.dumps({"tail_id": tail_id, "prompt": "a sitting dog"} | fields)  # httpx can't send half a character
    answer = api.post("/edit", content=body, headers={"Content-Type": "application/json"})
    check(answer, status, type_, field)


def test_a_whole_number_is_an_integer_however_json_writes_it(api: httpx.Client, tail_id: str) -> None:
    """As JSON Schema has it, which the document is written in; a form's objects are JSON, too."""
    fields = '"num_images": 2.0, "seed": 1e3, "guidance_scale": 3.0'
    body = f'{{"tail_id": "{tail_id}", "prompt": "a sitting dog", {fields}}}'
    answer = api.post("/edit", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 202
    assert (answer.json()["seed"], answer.json()["parameters"]["num_images"]) == (1000, 2)
    assert personalize(api, edits='[{"prompt": "a dog", "num_images": 2.0}]').status_code == 202
    for more in ('"num_images": 2.5', '"num_images": 1e400', '"seed": 1e300'):
        wrong = f'{{"tail_id": "{tail_id}", "prompt": "a sitting dog", {more}}}'
        assert api.post("/edit", content=wrong, headers={"Content-Type": "application/json"}).status_code == 422


@pytest.mark.parametrize(
    ("field", "sent", "said"),
    [
        ("num_images", "2", '2 in place of "2"'),
        ("tail_scale", "0.7", '0.7 in place of "0.7"'),
        ("exact", "true", 'true in place of "true"'),
    ],
)
def test_a_number_that_json_has_as_a_text_is_refused_with_how_to_write_it(
    api: httpx.Client, tail_id: str, field: str, sent: str, said: str
) -> None:
    document = check(edit(api, tail_id, **{field: sent}), 422, "invalid-input", field)
    assert "is a text" in document["detail"]
    assert document["detail"].endswith(said)


def test_all_wrong_fields_are_named_at_once(api: httpx.Client, tail_id: str) -> None:
    document = check(edit(api, tail_id, num_images=0, sampler="euler", extra=1), 422, "invalid-input")
    assert [error["field"] for error in document["errors"]] == ["num_images", "sampler", "extra"]


def test_a_prompt_that_does_not_fit_is_refused_with_both_counts(api: httpx.Client) -> None:
    document = check(personalize(api, prompt=LONG), 422, "prompt-too-long")
    assert (document["tokens"], document["limit"]) == (42, 27)


def test_a_prompt_that_just_fits_is_taken_and_one_token_more_is_not(api: httpx.Client) -> None:
    assert personalize(api, prompt=" ".join(["dog"] * 25)).status_code == 202
    assert personalize(api, prompt=" ".join(["dog"] * 26)).status_code == 422


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"GIF89a" + b"\0" * 50, "format"),
        (b"<svg/>", "format"),
        (picture()[:60], "truncated"),
        (picture(size=(4, 4)), "too-small"),
    ],
)
def test_a_picture_that_can_not_be_used_is_refused_with_the_reason(api: httpx.Client, data: bytes, reason: str) -> None:
    answer = api.post("/personalize", data={"prompt": "a dog"}, files={"picture": ("dog.png", data)})
    assert check(answer, 422, "invalid-picture", "picture")["reason"] == reason


@pytest.mark.parametrize("value", [None, 5, [], "dog.png", "data:image/png;base64,###", "data:text/html,hello"])
def test_a_picture_in_json_must_be_a_data_uri(api: httpx.Client, value: object) -> None:
    answer = api.post("/personalize", json={"prompt": "a dog", "picture": value})
    assert answer.status_code == 422
    assert answer.json()["field"] == "picture"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"\xff\xfe",
        b'{"prompt": NaN}',
        b'{"seed": ' + b"9" * 5000 + b"}",
        b"[" * 100_000,
    ],
)
def test_a_body_that_is_no_json_object_is_malformed(api: httpx.Client, content: bytes) -> None:
    answer = api.post("/edit", content=content, headers={"Content-Type": "application/json"})
    check(answer, 400, "malformed-request")


@pytest.mark.parametrize("kind", ["multipart/form-data", "multipart/form-data; boundary=x"])
def test_a_broken_form_is_malformed(api: httpx.Client, kind: str) -> None:
    check(api.post("/personalize", content=b"not a form", headers={"Content-Type": kind}), 400, "malformed-request")


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", ""])
def test_a_body_of_another_kind_is_unsupported(api: httpx.Client, kind: str) -> None:
    check(api.post("/edit", content=b"hello", headers={"Content-Type": kind}), 415, "unsupported-media-type")


def test_a_field_given_twice_is_refused(api: httpx.Client) -> None:
    files = [("prompt", (None, b"a dog")), ("prompt", (None, b"a cat")), ("picture", ("dog.png", picture()))]
    check(api.post("/personalize", files=files), 422, "invalid-input", "prompt")


def test_only_the_picture_may_be_a_file(api: httpx.Client) -> None:
    files = {"picture": ("dog.png", picture()), "mask": ("mask.png", picture())}
    check(api.post("/personalize", data={"prompt": "a dog"}, files=files), 422, "invalid-input", "mask")


@pytest.mark.parametrize("key", ["", "k" * 256])
def test_an_idempotency_key_has_limits(api: httpx.Client, key: str) -> None:
    check(personalize(api, headers={"Idempotency-Key": key}), 422, "invalid-input", "Idempotency-Key")


@pytest.mark.parametrize(
    ("method", "path", "status", "type_"),
    [
        ("GET", "/nowhere", 404, "not-found"),
        ("GET", f"/jobs/{UNKNOWN_JOB}", 404, "not-found"),
        ("GET", "/jobs/..%2f..%2fsecret", 404, "not-found"),
        ("GET", "/jobs/job_%00", 404, "not-found"),
        ("DELETE", f"/jobs/{UNKNOWN_JOB}", 404, "not-found"),
        ("GET", f"/jobs/{UNKNOWN_JOB}/events", 404, "not-found"),
        ("GET", f"/tails/{UNKNOWN_TAIL}", 404, "not-found"),
        ("GET", "/tails/x", 404, "not-found"),
        ("DELETE", f"/tails/{UNKNOWN_TAIL}", 404, "not-found"),
        ("PUT", "/edit", 405, "method-not-allowed"),
        ("GET", "/personalize", 405, "method-not-allowed"),
    ],
)
def test_what_is_not_there_is_a_problem_document_too(
    api: httpx.Client, method: str, path: str, status: int, type_: str
) -> None:
    check(api.request(method, path), status, type_)
