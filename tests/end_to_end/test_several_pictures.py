"""A tail that was learned from several pictures with prompts of their own, on the whole stack."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image, ImageOps
from safetensors.numpy import load, save

from tests.support.stack import SAMPLE, RunningStack

pytestmark = pytest.mark.slow

PROMPTS = ["a standing dog on the grass", "a dog"]
EXACT = {"prompt": "a sitting dog", "num_inference_steps": 6, "seed": 3, "exact": True}


def learn(stack: RunningStack, fields: dict[str, Any]) -> dict[str, Any]:
    mirrored = io.BytesIO()
    ImageOps.mirror(Image.open(SAMPLE)).save(mirrored, "PNG")
    pictures = [("picture", SAMPLE.read_bytes()), ("picture", mirrored.getvalue())]
    answer = stack.client.post("/personalize", data=fields, files=pictures)
    assert answer.status_code == 202, answer.text
    return stack.succeeded(answer.json()["id"])


def edited(stack: RunningStack, tail: str, **more: Any) -> bytes:
    job = stack.succeeded(stack.edit(tail_id=tail, **(EXACT | more))["id"])
    return stack.client.get(job["results"][0]["url"]).content


@pytest.fixture(scope="module")
def learned(stack: RunningStack) -> dict[str, Any]:
    return learn(stack, {"prompt": PROMPTS, "steps": "12", "seed": "5", "exact": "true"})


def test_the_receipts_request_with_the_same_pictures_gives_the_same_tail(
    stack: RunningStack, learned: dict[str, Any]
) -> None:
    request = learned["receipt"]["request"]
    assert (learned["pictures"], request["prompt"]) == (2, PROMPTS)

    again = learn(stack, {name: value if name == "prompt" else str(value) for name, value in request.items()})
    other = learn(stack, {"prompt": PROMPTS[::-1], "steps": "12", "seed": "5", "exact": "true"})

    assert again["receipt"]["tail_sha256"] == learned["receipt"]["tail_sha256"]
    assert other["receipt"]["tail_sha256"] != learned["receipt"]["tail_sha256"]


def test_an_edit_takes_off_what_the_prompts_gave_together_be_it_in_the_file_or_not(
    stack: RunningStack, learned: dict[str, Any]
) -> None:
    tail = learned["tail_id"]
    today = edited(stack, tail)
    (path,) = stack.data.glob(f"storage/jobs/*{tail.removeprefix('tail_')}*/out/*/tail.safetensors")
    whole = path.read_bytes()
    path.write_bytes(save({"tail": load(whole)["tail"]}))

    assert edited(stack, tail) == today
    path.write_bytes(whole)


def test_strength_starts_from_the_first_picture(stack: RunningStack, learned: dict[str, Any]) -> None:
    fields = {name: str(value) for name, value in (EXACT | {"tail_id": learned["tail_id"], "strength": 0.5}).items()}
    answer = stack.client.post("/edit", data=fields, files={"picture": SAMPLE.read_bytes()})
    own = stack.client.get(stack.succeeded(answer.json()["id"])["results"][0]["url"]).content

    assert edited(stack, learned["tail_id"], strength=0.5) == own
