"""Edits of other sizes than the model's own: `width` and `height`."""

from __future__ import annotations

import httpx
import pytest

from core.services import Services
from tests.api.problems import check
from tests.api.serving import edit, personalize


@pytest.fixture(scope="module")
def tail(api: httpx.Client) -> str:
    return str(personalize(api).json()["tail_id"])


@pytest.mark.parametrize("size", [{"width": 96, "height": 64}, {"height": 32}, {"width": 64, "strength": 0.5}, {}])
def test_a_size_that_the_model_can_draw_is_kept_with_the_job(
    api: httpx.Client, services: Services, tail: str, size: dict[str, float]
) -> None:
    spec = services.jobs.spec(edit(api, tail, **size).json()["id"])

    assert spec.edit is not None
    assert (spec.edit.width, spec.edit.height) == (size.get("width"), size.get("height"))


@pytest.mark.parametrize(
    ("size", "field", "said"),
    [
        ({"width": 100}, "width", "it must be 32 to 128, in steps of 8"),
        ({"height": 24}, "height", "it must be 32 to 128"),
        ({"width": 64, "height": 136}, "height", "it must be 32 to 128"),
        ({"width": 128, "height": 96}, "width", "is 12288, over the limit of 6144"),
        ({"width": 32, "strength": 0.5}, "width", "keeps its source's size"),
        ({"height": 0}, "height", "greater than or equal to 8"),
    ],
)
def test_another_size_is_refused_with_the_limit(
    api: httpx.Client, tail: str, size: dict[str, float], field: str, said: str
) -> None:
    answer = edit(api, tail, **size)

    problem = check(answer, 422, "invalid-input")
    assert problem["field"] == field
    assert said in problem["detail"]
