"""How well a tail explains its pictures: the losses that one would work out by hand, through the engine."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from core.diffusion.backbone import Backbone
from core.diffusion.conditioning import Conditioning
from core.diffusion.learning.fit import DRAWS, measure_fit
from core.diffusion.learning.sources import Source, encode
from core.diffusion.requests import Routine
from core.models.fit import Fit
from core.models.parameters import PersonalizeParams
from tests.support.checkpoints import tiny_float64_backbone
from worker.engine import Engine

SEED = 5
MEAN = PersonalizeParams(posterior="mean")


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return tiny_float64_backbone()


def picture(backbone: Backbone, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(3, backbone.image_size, backbone.image_size, generator=generator, dtype=torch.float64) * 2 - 1


def measured(engine: Engine, backbone: Backbone, sources: list[Source], tail: Tensor) -> Fit | None:
    def job() -> Routine[Fit | None]:
        encoded = yield from encode(sources, MEAN, SEED)
        return (yield from measure_fit(sources=encoded, schedule=backbone.schedule, tail=tail))

    found: Fit | None = engine.submit(job(), backbone=backbone, kind="personalize", name="fit").result()
    return found


def test_the_losses_are_those_of_noised_pictures_with_tail_with_prompt_and_without_text(
    engine: Engine, backbone: Backbone
) -> None:
    image, prompts = picture(backbone, 3), ["the dog", ""]
    prompt, empty = backbone.encode_prompt(prompts)
    tail = prompt.tail(3) + 0.3
    latents = backbone.encode_image(image[None])[0][0]
    rng = torch.Generator().manual_seed(0xF17)
    losses = []
    for index in range(DRAWS):
        noise = torch.randn(latents.shape, generator=rng, dtype=latents.dtype)
        timestep = int((index + 0.5) * 1000 / DRAWS)
        noisy = backbone.schedule.add_noise(latents, noise, timestep)
        for text in (prompt.with_tail(tail), prompt, empty):
            batch = Conditioning(text.sequence[None])
            (output,) = backbone.predict(noisy[None], torch.tensor([timestep]), batch).detach()
            losses.append(float((output - backbone.schedule.target(latents, noise, timestep)).pow(2).mean()))

    fit = measured(engine, backbone, [Source(image, "the dog")], tail)

    assert fit is not None
    found = (fit.loss, fit.loss_prompt, fit.loss_empty)
    assert found == pytest.approx([sum(losses[which::3]) / DRAWS for which in range(3)], rel=1e-6)


def test_a_tail_that_is_the_prompts_own_explains_what_the_prompt_does(engine: Engine, backbone: Backbone) -> None:
    own = backbone.encode_prompt(["the dog"])[0].tail(3)
    fit = measured(engine, backbone, [Source(picture(backbone, 3), "the dog")], own)
    assert fit is not None
    assert fit.loss == fit.loss_prompt != fit.loss_empty


def test_each_of_many_pictures_counts(engine: Engine, backbone: Backbone) -> None:
    sources = [Source(picture(backbone, seed), "the dog") for seed in range(DRAWS + 2)]
    tail = backbone.encode_prompt(["the dog"])[0].tail(3)
    with_last = measured(engine, backbone, sources, tail)
    without = measured(engine, backbone, [*sources[:-1], Source(picture(backbone, 99), "the dog")], tail)
    assert with_last != without


def test_what_is_not_finite_is_not_told(engine: Engine, backbone: Backbone) -> None:
    tail = torch.full_like(backbone.encode_prompt(["the dog"])[0].tail(3), float("nan"))
    assert measured(engine, backbone, [Source(picture(backbone, 3), "the dog")], tail) is None
