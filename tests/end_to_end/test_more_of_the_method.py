"""Imported tails, several tails and strength on the whole stack, with the real small model."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.stack import SAMPLE, RunningStack

pytestmark = pytest.mark.slow

EXACT = {"prompt": "a sitting dog", "num_inference_steps": 6, "seed": 3, "exact": True}


def picture(stack: RunningStack, **fields: Any) -> bytes:
    job = stack.succeeded(stack.edit(**(EXACT | fields))["id"])
    return stack.client.get(job["results"][0]["url"]).content


def imported(stack: RunningStack, tail: str) -> str:
    """Take a tail's file away, and bring it back as another tail."""
    file = stack.client.get(f"/tails/{tail}/file", follow_redirects=True).content
    answer = stack.client.post("/tails", files={"file": file})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def test_a_tail_that_comes_back_as_a_file_makes_the_same_pictures(stack: RunningStack, tail: str) -> None:
    again = imported(stack, tail)

    assert again != tail
    assert picture(stack, tail_id=again) == picture(stack, tail_id=tail)


def test_what_tails_have_learned_adds_up_and_the_receipt_makes_it_again(stack: RunningStack, tail: str) -> None:
    same = imported(stack, tail)
    uses = [{"id": tail, "scale": 0.75}, {"id": same, "scale": 0.25}]
    job = stack.succeeded(stack.edit(tails=uses, **EXACT)["id"])

    together = stack.client.get(job["results"][0]["url"]).content
    again = stack.succeeded(stack.edit(**job["receipt"]["request"])["id"])

    assert stack.client.get(again["results"][0]["url"]).content == together
    assert job["receipt"]["other_tails_sha256"] == [job["receipt"]["tail_sha256"]]
    # three quarters and one quarter of the same tail are that tail, and a second one is not left out
    assert together != picture(stack, tail_id=tail, tail_scale=0.75)


def test_strength_starts_from_the_tails_picture_or_from_the_edits_own(stack: RunningStack, tail: str) -> None:
    from_the_tails = picture(stack, tail_id=tail, strength=0.5)
    fields = {name: str(value) for name, value in (EXACT | {"tail_id": imported(stack, tail), "strength": 0.5}).items()}
    answer = stack.client.post("/edit", data=fields, files={"picture": SAMPLE.read_bytes()})
    job = stack.succeeded(answer.json()["id"])

    assert stack.client.get(job["results"][0]["url"]).content == from_the_tails
    assert job["steps"] == 3
