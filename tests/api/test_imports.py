"""A tail's file that is sent becomes a tail of this server, or is refused with the reason."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import httpx
import numpy as np
import pytest
from safetensors.numpy import save

from core.jobs import keys
from core.services import Services
from tests.api.problems import check
from tests.api.serving import MODEL, PretendingWorker, edit

ABOUT = {
    "format_version": "1",
    "tail_id": "tail_" + "9" * 24,
    "model": "critters",
    "model_hash": MODEL.hash,
    "prompt": "a standing dog",
    "recipe": "fast",
    "tail_mode": "residual",
    "tail_scale": "1.1",
    "guidance_scale": "3.5",
    "num_inference_steps": "9",
    "sampler": "dpmpp_2m",
}
TAIL = np.linspace(-1, 1, 5 * MODEL.width, dtype=np.float32).reshape(5, MODEL.width)


def tail_file(about: dict[str, str] | None = None, **tensors: Any) -> bytes:
    return save(tensors or {"tail": TAIL, "source_tail": TAIL / 2}, ABOUT if about is None else about)


FILE = tail_file()  # once: its metadata has another order each time


def send(api: httpx.Client, file: bytes, **more: Any) -> httpx.Response:
    return api.post("/tails", files={"file": ("dog.safetensors", file)}, **more)


def test_a_file_becomes_a_tail_that_edits_use_at_once_as_the_file_says(
    api: httpx.Client, worker: PretendingWorker
) -> None:
    answer = send(api, FILE)

    assert answer.status_code == 201, answer.text
    tail = answer.json()
    assert answer.headers["Location"] == f"/tails/{tail['id']}"
    assert (tail["status"], tail["positions"], tail["prompt"], tail["imported"]) == (
        "succeeded",
        5,
        "a standing dog",
        True,
    )
    assert tail["sha256"] == hashlib.sha256(TAIL.tobytes()).hexdigest()
    assert httpx.get(tail["url"]).content == FILE
    assert api.get(f"/tails/{tail['id']}").json() | {"url": "", "url_expires_at": ""} == tail | {
        "url": "",
        "url_expires_at": "",
    }
    job = edit(api, tail["id"], num_inference_steps=4).json()
    assert job["status"] == "queued"
    used = {
        name: job["parameters"][name] for name in ("tail_mode", "tail_scale", "guidance_scale", "num_inference_steps")
    }
    assert used == {"tail_mode": "residual", "tail_scale": 1.1, "guidance_scale": 3.5, "num_inference_steps": 4}
    worker.take(job["id"], "edit")


def test_a_file_may_come_as_base64(api: httpx.Client) -> None:
    answer = api.post("/tails", json={"file": base64.b64encode(FILE).decode()})

    assert answer.status_code == 201, answer.text
    assert answer.json()["sha256"] == hashlib.sha256(TAIL.tobytes()).hexdigest()


def test_a_file_of_an_earlier_version_is_used_as_the_models_recipe_says(api: httpx.Client) -> None:
    old = {name: ABOUT[name] for name in ("tail_id", "model", "model_hash", "prompt")}
    tail = send(api, tail_file(old, tail=TAIL)).json()

    job = edit(api, tail["id"]).json()

    wanted = MODEL.recipes["fast"].edit
    assert job["parameters"] == job["parameters"] | {"tail_mode": wanted.tail_mode, "sampler": wanted.sampler}


def test_a_request_that_is_sent_twice_makes_one_tail(api: httpx.Client) -> None:
    key = {"Idempotency-Key": "import-1"}
    first, again = (send(api, FILE, headers=key) for _ in "ab")

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert first.json()["id"] == again.json()["id"]
    other = send(api, tail_file(tail=TAIL * 2), headers=key)
    check(other, 422, "idempotency-conflict")
    assert first.json()["job_id"] not in other.text


def test_an_import_that_was_cut_off_before_its_end_is_ended_by_its_repetition(
    api: httpx.Client, services: Services
) -> None:
    key = {"Idempotency-Key": "import-cut-off"}
    made = send(api, FILE, headers=key).json()
    services.storage.delete(keys.end(made["job_id"]))

    again = send(api, FILE, headers=key)

    assert (again.status_code, again.json()["status"]) == (200, "succeeded")
    assert httpx.get(again.json()["url"]).content == FILE


def test_an_imported_tail_is_deleted_with_all_its_bytes(api: httpx.Client, services: Services) -> None:
    made = send(api, FILE).json()

    assert api.delete(f"/tails/{made['id']}").status_code == 200

    assert [info.key for info in services.storage.list(keys.job(made["job_id"]))] == [keys.end(made["job_id"])]
    assert api.get(f"/tails/{made['id']}").status_code == 410


@pytest.mark.parametrize(
    ("file", "word"),
    [
        (b"", "required"),
        (b"hello", "no safetensors file"),
        (FILE[:-40], "no safetensors file"),
        (b"\x80\x04\x95 a pickle", "no safetensors file"),
        (tail_file(source_tail=TAIL), "no tensor 'tail'"),
        (tail_file(tail=TAIL, more=TAIL), "'more'"),
        (tail_file(tail=TAIL.astype(np.float16)), "F16"),
        (tail_file(tail=TAIL[0]), "(n, D)"),
        (tail_file(tail=TAIL[:0]), "(n, D)"),
        (tail_file(tail=TAIL[:, :-1]), "(5, 191)"),
        (tail_file(tail=np.ones((30, MODEL.width), np.float32)), "n at most 29"),
        (tail_file(tail=np.where(TAIL > 0.99, np.nan, TAIL)), "not finite"),
        (tail_file(tail=TAIL, source_tail=TAIL[:4]), "[4, 192]"),
        (tail_file(ABOUT | {"model_hash": ""}), "model_hash"),
        (tail_file(ABOUT | {"model_hash": "beef"}), "not served here"),
        (tail_file(ABOUT | {"format_version": "2"}), "version 2"),
        (tail_file(ABOUT | {"format_version": "x"}), "format_version"),
        (tail_file(ABOUT | {"tail_mode": "sideways"}), "tail_mode"),
        (tail_file(ABOUT | {"tail_scale": "nan"}), "tail_scale"),
        (tail_file(ABOUT | {"num_inference_steps": "10000000"}), "num_inference_steps"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(api: httpx.Client, file: bytes, word: str) -> None:
    found = check(send(api, file), 422, "wrong-model" if "served" in word else "invalid-input", "file")

    assert word in found["detail"]


def test_a_tail_without_its_beginning_needs_the_prompt_that_it_was_learned_with(api: httpx.Client) -> None:
    without = tail_file(ABOUT | {"prompt": ""}, tail=TAIL)

    check(send(api, without), 422, "invalid-input", "prompt")
    assert send(api, without, data={"prompt": "a standing dog"}).json()["prompt"] == "a standing dog"
    check(send(api, without, data={"prompt": "dog " * 40}), 422, "prompt-too-long", "prompt")


def test_a_file_over_the_limit_and_a_field_that_is_none_are_refused(api: httpx.Client) -> None:
    assert check(send(api, b"x" * (2**19 + 1)), 413, "payload-too-large")["limit"] == 2**19
    check(api.post("/tails", json={"file": "not base64!"}), 422, "invalid-input", "file")
    check(send(api, FILE, data={"tail_scale": "1"}), 422, "invalid-input", "tail_scale")
    check(send(api, FILE, data={"model": "other"}), 422, "wrong-model", "model")
