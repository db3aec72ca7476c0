"""The ways that are timed do the same maths: the reference's tail equals the engine's."""

from __future__ import annotations

import pytest
import torch

from bench.reference import reference_tail
from bench.time_to_tail import REFERENCE, curves, points, step_seconds
from bench.trials.cases import cases
from bench.trials.scoring import Scorer
from bench.trials.studio import CRITTERS, Studio
from bench.trials.trial import Trial
from core.diffusion.backbone import Backbone, load_backbone
from core.models.parameters import EditParams, PersonalizeParams, Recipe
from pretrain.judging.judge import new_judge

RECIPES = {
    "paper": Recipe(personalize=PersonalizeParams(steps=2), edit=EditParams(num_inference_steps=1)),
    "fast": Recipe(personalize=PersonalizeParams(steps=1), edit=EditParams(num_inference_steps=1)),
}


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return load_backbone(str(CRITTERS), name="bench")


def test_the_reference_moves_the_tail_and_no_weight(backbone: Backbone) -> None:
    weights = list(backbone._unet.parameters())
    before = [weight.detach().clone() for weight in weights]
    seen: list[tuple[int, bool]] = []
    torch.manual_seed(0)
    tail = reference_tail(
        backbone,
        torch.zeros(3, 64, 64),
        "a standing dog",
        PersonalizeParams(steps=2),
        previews=False,
        weights=weights,
        on_step=lambda step: seen.append((step, all(weight.grad is not None for weight in weights))),
    )
    start = backbone.encode_prompt(["a standing dog"])[0].tail(5)
    assert seen == [(1, True), (2, True)]
    assert 0 < (tail - start).abs().max() <= 2 * 5e-3 + 1e-6
    assert all(torch.equal(weight, same) for weight, same in zip(weights, before, strict=True))
    assert not any(weight.requires_grad or weight.grad is not None for weight in weights)


def test_every_way_is_timed_and_looked_at(backbone: Backbone) -> None:
    seconds = step_seconds(backbone, RECIPES, steps=1, repeats=1)
    assert all(spread.least > 0 for spread in seconds.values())
    trial = Trial(Studio(backbone, quiet=True), Scorer(new_judge("a").eval()), cases("development", 1), 1)
    rows = curves(trial, recipes=RECIPES, shares=[0.5, 1.0])
    found = points(rows, RECIPES, seconds, [0.5, 1.0])
    assert {(point.way, point.steps) for point in found} >= {("paper", 1), ("paper", 2), (REFERENCE, 2), ("fast", 1)}
    by_way = {(point.way, point.steps): point for point in found}
    assert by_way[REFERENCE, 2].shares == by_way["paper", 2].shares
    assert by_way[REFERENCE, 2].seconds == 2 * seconds[REFERENCE].median
