"""A sweep as one job on the whole stack: pictures with receipts, and a grid."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from tests.support.stack import RunningStack

pytestmark = pytest.mark.slow


def test_each_picture_of_a_sweep_is_that_of_its_own_receipt_and_stands_in_the_grid(
    stack: RunningStack, tail: str
) -> None:
    sweep = {"prompt": ["a sitting dog", "a dog in the snow"], "tail_scale": [0, 1.2], "guidance_scale": [1, 4]}
    fields = {"tail_id": tail, "num_inference_steps": 3, "seed": 5, "exact": True}

    job = stack.succeeded(stack.edit(sweep=sweep, **fields)["id"])

    pictures = [stack.client.get(result["url"]).content for result in job["results"]]
    assert len(set(pictures)) == 8
    alone = stack.succeeded(stack.edit(**job["results"][5]["receipt"]["request"])["id"])
    assert alone["parameters"]["tail_scale"] == 0
    assert stack.client.get(alone["results"][0]["url"]).content == pictures[5]
    grid = Image.open(io.BytesIO(stack.client.get(job["grid"]["url"]).content)).convert("RGB")
    sixth = Image.open(io.BytesIO(pictures[5])).convert("RGB")
    places = [(x, y) for y in range(grid.height - 63) for x in range(grid.width - 63)]
    corner = sixth.getpixel((0, 0))
    assert any(
        grid.getpixel(at) == corner and grid.crop((*at, at[0] + 64, at[1] + 64)).tobytes() == sixth.tobytes()
        for at in places
    )
