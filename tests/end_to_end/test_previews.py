"""Previews of a real personalization, over HTTP."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.api.test_events import Event, parse
from tests.support.stack import SAMPLE, RunningStack

pytestmark = pytest.mark.slow


def previews(stack: RunningStack, job_id: str) -> list[dict[str, Any]]:
    """Follow a job's events to its end; return what its previews say."""
    with stack.client.stream("GET", f"/jobs/{job_id}/events", timeout=150) as stream:
        events = [event for event in parse(stream.iter_lines()) if isinstance(event, Event)]
    return [event.data for event in events if event.type == "preview"]


def decoded(preview: dict[str, Any]) -> Image.Image:
    kind, _, data = preview["picture"].partition(";base64,")
    assert (kind, len(preview["picture"]) < 12_000) == ("data:image/jpeg", True)
    return Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")


def alike(one: Image.Image, other: Image.Image) -> float:
    """Return the correlation of two pictures' pixels."""
    return float(np.corrcoef(*(np.asarray(each.resize((16, 16)), dtype=float).ravel() for each in (one, other)))[0, 1])


def test_a_personalization_shows_what_the_model_sees_of_its_picture(stack: RunningStack) -> None:
    job = stack.personalize(steps=40, previews=True, seed=1)

    seen = previews(stack, job["id"])

    assert [preview["step"] for preview in seen] == sorted({preview["step"] for preview in seen})
    assert 5 < len(seen) <= 20
    source = Image.open(SAMPLE).convert("RGB")
    assert np.mean([alike(decoded(preview), source) for preview in seen]) > 0.6
    assert stack.succeeded(job["id"])["preview"] is None


def test_previews_change_nothing_of_the_tail_and_nobody_gets_them_unasked(stack: RunningStack) -> None:
    with_them = stack.personalize(steps=8, previews=True, exact=True, seed=4)
    without = stack.personalize(steps=8, exact=True, seed=4)

    assert previews(stack, without["id"]) == []
    tails = [stack.succeeded(job["id"])["receipt"]["tail_sha256"] for job in (with_them, without)]
    assert tails[0] == tails[1]
