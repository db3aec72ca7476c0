"""SDXL through the engine: equal to diffusers' own pipeline, and rows of different users in one batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, StableDiffusionXLPipeline
from torch import Tensor

from core.diffusion import hiper
from core.diffusion.backbone import Backbone, load_backbone
from core.diffusion.conditioning import Conditioning
from core.diffusion.learning.sources import Source
from core.diffusion.requests import NoiseLoss, PredictNoise, Request
from core.diffusion.sampling import diffusers_scheduler
from core.models.parameters import EditParams, PersonalizeParams
from tests.support.checkpoints import tiny_float64_backbone, write_checkpoint
from worker.engine import Engine
from worker.engine.execution import execute

SCHEDULERS: dict[str, Any] = {"ddim": DDIMScheduler, "dpmpp_2m": DPMSolverMultistepScheduler}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("xl"), kind="sdxl")


@pytest.fixture(scope="module")
def backbone(folder: Path) -> Backbone:
    return load_backbone(str(folder), name="xl", device="cpu")


@pytest.fixture(scope="module")
def pipeline(folder: Path) -> Any:
    pipeline_class: Any = StableDiffusionXLPipeline
    made = pipeline_class.from_pretrained(folder, add_watermarker=False, local_files_only=True)
    made.set_progress_bar_config(disable=True)
    return made


@pytest.fixture
def pair(backbone: Backbone, pipeline: Any) -> tuple[Backbone, Any]:
    return backbone, pipeline


def tail_of(backbone: Backbone) -> Tensor:
    return torch.randn(5, backbone.width, generator=torch.Generator().manual_seed(1))


def edit(engine: Engine, backbone: Backbone, params: EditParams, prompt: str = "a dog", seed: int = 4) -> list[Tensor]:
    job = hiper.edit(
        prompt=prompt,
        tail=tail_of(backbone),
        params=params,
        schedule=backbone.schedule,
        latent_shape=backbone.latent_shape_of(params.width, params.height),
        seed=seed,
    )
    return list(engine.submit(job, backbone=backbone, kind="edit", name="edit").result())


def test_prompts_are_encoded_as_diffusers_does_and_no_prompt_is_zero(backbone: Backbone, pipeline: Any) -> None:
    texts = ["the dog", "a DOG doing things", "the " * 75]
    for text, ours in zip(texts, backbone.encode_prompt(texts), strict=True):
        with torch.no_grad():
            embeds, negative, pooled, negative_pooled = pipeline.encode_prompt(text, device="cpu")
        assert ours.pooled is not None
        torch.testing.assert_close(ours.sequence, embeds[0], atol=1e-5, rtol=0)
        torch.testing.assert_close(ours.pooled, pooled[0], atol=1e-5, rtol=0)
        (none,) = backbone.encode_prompt([""])
        assert none.pooled is not None
        assert torch.equal(none.sequence, negative[0])
        assert torch.equal(none.pooled, negative_pooled[0])


def test_an_empty_text_is_encoded_where_the_model_says_so(tmp_path: Path, backbone: Backbone) -> None:
    folder = write_checkpoint(tmp_path / "xl", kind="sdxl", zero_for_no_prompt=False)
    (row,) = load_backbone(str(folder), name="xl", device="cpu").encode_prompt([""])
    assert float(row.sequence.square().mean()) > 0.1


@pytest.mark.parametrize(
    ("sampler", "size", "negative"),
    [
        ("ddim", (None, None), ""),
        ("dpmpp_2m", (24, 16), ""),
        ("ddim", (16, 40), "the cat"),
        ("dpmpp_2m", (None, None), "the cat"),
    ],
)
def test_an_edit_is_that_of_diffusers_pipeline_given_the_same_embeds(
    engine: Engine, pair: tuple[Backbone, Any], sampler: str, size: tuple[int | None, int | None], negative: str
) -> None:
    backbone, pipeline = pair
    width, height = size
    params = EditParams(
        sampler=sampler,
        num_inference_steps=6,
        guidance_scale=3.0,
        tail_scale=0.7,
        negative_prompt=negative,
        width=width,
        height=height,
    )
    (ours,) = edit(engine, backbone, params)

    _, settings = diffusers_scheduler(sampler, backbone.schedule)
    pipeline.scheduler = SCHEDULERS[sampler].from_config(pipeline.scheduler.config, **settings)
    cond, uncond = backbone.encode_prompt(["a dog", negative])
    assert cond.pooled is not None
    assert uncond.pooled is not None
    shape = backbone.latent_shape_of(width, height)
    theirs = pipeline(
        prompt_embeds=torch.cat([cond.sequence[:-5], 0.7 * tail_of(backbone)])[None],
        negative_prompt_embeds=uncond.sequence[None],
        pooled_prompt_embeds=cond.pooled[None],
        negative_pooled_prompt_embeds=uncond.pooled[None],
        latents=torch.randn(shape, generator=torch.Generator().manual_seed(4))[None],
        width=width or backbone.image_size,
        height=height or backbone.image_size,
        num_inference_steps=6,
        guidance_scale=3.0,
        output_type="pt",
    ).images[0]

    assert ours.shape == (3, height or 16, width or 16)
    torch.testing.assert_close((ours + 1) / 2, theirs, rtol=0, atol=1e-5)


def rows_of(backbone: Backbone, prompts: list[str]) -> list[Conditioning]:
    return backbone.encode_prompt(prompts)


def test_rows_of_different_users_are_bitwise_the_same_in_any_company_of_one_bucket(backbone: Backbone) -> None:
    mine, others, third = rows_of(backbone, ["a dog", "a cat in the snow", "the house"])
    draws = [torch.randn(backbone.latent_shape, generator=torch.Generator().manual_seed(i)) for i in range(6)]

    def predict(i: int, row: Conditioning, timestep: int) -> Request:
        return PredictNoise(draws[i], timestep, row)

    def loss(i: int, row: Conditioning, timestep: int) -> Request:
        return NoiseLoss(draws[i], timestep, row, draws[i + 3])

    for make in (predict, loss):
        first = execute(backbone, [make(0, mine, 500), make(1, others, 20)], 4)[0]
        again = execute(backbone, [make(0, mine, 500), make(2, third, 999), make(1, others, 3)], 4)[0]
        pairs = [(first, again)] if isinstance(first, Tensor) else [(first.grad, again.grad)]
        for one, other in pairs:
            assert torch.equal(one, other)
            assert float(one.abs().max()) > 0


def test_a_personalization_learns_the_joined_vectors_equal_alone_and_in_company(engine: Engine) -> None:
    exact = tiny_float64_backbone("sdxl")
    params = PersonalizeParams(steps=6, positions=5)

    def learn(seed: int) -> Any:
        drawn = torch.Generator().manual_seed(seed)
        image = torch.rand(3, exact.image_size, exact.image_size, generator=drawn, dtype=torch.float64) * 2 - 1
        job = hiper.personalize(sources=[Source(image, "the dog")], params=params, schedule=exact.schedule, seed=seed)
        return engine.submit(job, backbone=exact, kind="personalize", name=f"learn-{seed}")

    alone = learn(3).result()
    tickets = [learn(seed) for seed in (3, 4, 5)]
    together = [ticket.result() for ticket in tickets]

    assert alone.shape == (5, 32 + 48)
    torch.testing.assert_close(together[0], alone, atol=1e-9, rtol=0)
    begin = exact.encode_prompt(["the dog"])[0].tail(5)
    assert float((alone - begin)[:, :32].abs().min()) > 0
    assert float((alone - begin)[:, 32:].abs().min()) > 0


def test_time_ids_are_the_pictures_size_unless_the_conditioning_says_otherwise(
    backbone: Backbone, pipeline: Any
) -> None:
    (row,) = backbone.encode_prompt(["a dog"])
    assert row.pooled is not None
    latents = torch.randn(1, 4, 6, 10, generator=torch.Generator().manual_seed(0))

    def theirs(ids: list[float]) -> Tensor:
        with torch.no_grad():
            out: Tensor = pipeline.unet(
                latents,
                torch.tensor([500]),
                encoder_hidden_states=row.sequence[None],
                added_cond_kwargs={"text_embeds": row.pooled[None], "time_ids": torch.tensor([ids])},
            ).sample
        return out

    timestep = torch.tensor([500])
    plain = Conditioning(row.sequence[None], row.pooled[None])
    cropped = [40.0, 60.0, 8.0, 4.0, 12.0, 20.0]
    extras = Conditioning(row.sequence[None], row.pooled[None], {"time_ids": torch.tensor([cropped])})
    with torch.no_grad():
        torch.testing.assert_close(
            backbone.predict(latents, timestep, plain), theirs([12, 20, 0, 0, 12, 20]), atol=1e-5, rtol=0
        )
        torch.testing.assert_close(backbone.predict(latents, timestep, extras), theirs(cropped), atol=1e-5, rtol=0)


def test_the_vae_runs_in_float16_only_where_it_says_that_it_does_not_overflow(tmp_path: Path, folder: Path) -> None:
    safe = write_checkpoint(tmp_path / "safe", kind="sdxl", force_upcast=False)
    dtypes = {
        (name, dtype): load_backbone(str(place), name=name, device="cpu", dtype=dtype)._vae.dtype
        for name, place in (("usual", folder), ("safe", safe))
        for dtype in ("float16", "bfloat16")
    }
    assert dtypes == {
        ("usual", "float16"): torch.float32,
        ("usual", "bfloat16"): torch.float32,
        ("safe", "float16"): torch.float16,
        ("safe", "bfloat16"): torch.float32,
    }
