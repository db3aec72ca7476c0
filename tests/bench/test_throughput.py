"""What the throughput benchmark counts, on the embedded model."""

from __future__ import annotations

import pytest

from bench.throughput import measure, recipe_steps
from bench.trials.studio import CRITTERS
from core.diffusion.backbone import Backbone, load_backbone
from worker.engine import Kind


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return load_backbone(str(CRITTERS), name="bench")


@pytest.mark.parametrize("kind", ["personalize", "edit"])
def test_jobs_a_minute_are_whole_jobs_of_the_recipe(backbone: Backbone, kind: Kind) -> None:
    row = measure(backbone, kind, 2, steps=2, repeats=1)
    assert row.per_minute.median == pytest.approx(row.engine.median * 60 / recipe_steps(kind))
    assert row.engine.median == pytest.approx(row.bare.median * row.share_of_bare.median)
    assert 0 < row.share_in_model_calls.median <= 1
