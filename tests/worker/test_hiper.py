"""The method through the engine: equal to the naive recipe in plain torch, and to diffusers' own pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

from core.diffusion import hiper
from core.diffusion.backbone import Backbone, load_backbone
from core.diffusion.conditioning import Conditioning
from core.diffusion.learning.sources import Source
from core.diffusion.requests import EncodeImage, EncodePrompt, LossAndGrad, NoiseLoss, PredictNoise, Report, Routine
from core.models.parameters import EditParams, PersonalizeParams
from core.models.recipes import PAPER
from tests.support.checkpoints import tiny_float64_backbone, write_checkpoint
from worker.engine import Engine

SOURCE, TARGET = "the dog", "a dog"
STEPS = 8


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("hiper"), kind="sd15")


@pytest.fixture(scope="module")
def small(folder: Path) -> Backbone:
    return load_backbone(str(folder), name="small", device="cpu")


@pytest.fixture(scope="module")
def exact() -> Backbone:
    return tiny_float64_backbone()


def picture(backbone: Backbone) -> Tensor:
    size = backbone.image_size
    return torch.rand(3, size, size, generator=torch.Generator().manual_seed(3), dtype=backbone.row_dtype) * 2 - 1


def learn(engine: Engine, backbone: Backbone, params: PersonalizeParams, **more: Any) -> tuple[Tensor, list[Report]]:
    sources = more.pop("sources", [Source(picture(backbone), SOURCE)])
    job = hiper.personalize(sources=sources, params=params, schedule=backbone.schedule, seed=5, **more)
    ticket = engine.submit(job, backbone=backbone, kind="personalize", name="learn")
    reports = list(ticket.reports())
    return ticket.result(), reports


def naive_hiper(backbone: Backbone, params: PersonalizeParams) -> Tensor:
    """The paper's recipe as one would write it by hand: autograd, torch.optim.Adam, one job."""
    sequence = backbone.encode_prompt([SOURCE])[0].sequence
    head, tail = sequence[: -params.positions], sequence[-params.positions :].clone().requires_grad_()
    mean, std = (part[0] for part in backbone.encode_image(picture(backbone)[None]))
    sampled = torch.randn(mean.shape, generator=torch.Generator().manual_seed(5 ^ 0x5EED), dtype=mean.dtype)
    latents = mean + std * sampled
    optimizer = torch.optim.Adam([tail], lr=params.learning_rate)
    rng = torch.Generator().manual_seed(5)
    for _ in range(params.steps):
        timestep = torch.randint(0, 1000, (), generator=rng)
        noise = torch.randn(latents.shape, generator=rng, dtype=latents.dtype)
        noisy = backbone.schedule.add_noise(latents, noise, int(timestep))
        whole = Conditioning(torch.cat([head, tail])[None])
        loss = torch.nn.functional.mse_loss(backbone.predict(noisy[None], timestep[None], whole), noise[None])
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
    return tail.detach()


def ask(job: Routine[Any], answers: dict[type, Any], until: type) -> Any:
    """Drive a job by hand until it asks for `until`; returns that request, or the tuple of them."""
    requests = next(job)
    while not isinstance(requests[0] if isinstance(requests, tuple) else requests, until):
        if isinstance(requests, tuple):
            requests = job.send(tuple(answers[type(request)](request) for request in requests))
        else:
            requests = job.send(answers[type(requests)](requests))
    return requests


def test_the_paper_recipe_is_the_naive_recipe_to_the_last_digits(engine: Engine, exact: Backbone) -> None:
    params = PAPER.personalize.model_copy(update={"steps": STEPS})

    tail, _ = learn(engine, exact, params)

    torch.testing.assert_close(tail, naive_hiper(exact, params), rtol=1e-9, atol=1e-9)


def test_an_attempt_that_goes_on_from_a_checkpoint_ends_with_the_same_tail_bit_for_bit(
    engine: Engine, exact: Backbone
) -> None:
    params = PersonalizeParams(steps=STEPS, learning_rate_schedule="cosine", uniform_share=0.3)
    whole, reports = learn(engine, exact, params)

    resumed, rest = learn(engine, exact, params, checkpoint=reports[2].checkpoint)

    assert reports[2].step == 3
    assert [report.step for report in rest][-1] == STEPS
    assert len(rest) == STEPS - 3
    assert torch.equal(resumed, whole)


def scenes(backbone: Backbone, *prompts: str) -> list[Source]:
    size = backbone.image_size
    rng = torch.Generator().manual_seed(3)
    return [Source(torch.rand(3, size, size, generator=rng, dtype=backbone.row_dtype) * 2 - 1, p) for p in prompts]


def test_with_several_pictures_each_step_draws_one_and_a_resumed_attempt_draws_the_same(
    engine: Engine, exact: Backbone
) -> None:
    params = PersonalizeParams(steps=STEPS)
    sources = scenes(exact, "the dog", "a dog", "the cat")
    whole, reports = learn(engine, exact, params, sources=sources)

    resumed, rest = learn(engine, exact, params, sources=sources, checkpoint=reports[2].checkpoint)

    assert len(rest) == STEPS - 3
    assert torch.equal(resumed, whole)
    first, _ = learn(engine, exact, params, sources=sources[:1])
    assert not torch.allclose(first, whole)


def test_every_picture_is_drawn_with_its_own_latents_and_prompt(exact: Backbone) -> None:
    sources = scenes(exact, "the dog", "a dog", "the cat")
    job = hiper.personalize(sources=sources, params=PersonalizeParams(steps=60), schedule=exact.schedule, seed=1)
    answers = {
        EncodePrompt: lambda request: exact.encode_prompt([request.text])[0],
        EncodeImage: lambda request: tuple(part[0] for part in exact.encode_image(request.image[None])),
    }
    prompts = [row.sequence for row in exact.encode_prompt([source.prompt for source in sources])]
    begin = torch.stack([sequence[-5:] for sequence in prompts]).mean(0)
    seen = set()

    request = ask(job, answers, NoiseLoss)
    while len(seen) < 3:
        sequence = request.conditioning.sequence
        [index] = [i for i, prompt in enumerate(prompts) if torch.equal(prompt[:-5], sequence[:-5])]
        seen.add(index)
        # Nothing is learned yet: each picture is conditioned on its own prompt, last vectors included.
        torch.testing.assert_close(sequence, prompts[index])
        report = job.send(LossAndGrad(1.0, torch.zeros_like(sequence), finite=True))
        assert report.param.shape == begin.shape
        torch.testing.assert_close(report.param, begin)
        job.send((report.param, report.state))
        request = next(job)

    assert seen == {0, 1, 2}


def test_a_residual_edit_takes_the_mean_of_the_source_prompts_off_the_tail(small: Backbone) -> None:
    tail = torch.randn(5, small.width, generator=torch.Generator().manual_seed(1))
    first, second, target = (row.sequence for row in small.encode_prompt(["the dog", "the cat", TARGET]))

    mixed = conditional_row(small, TARGET, tail, 1.0, "the dog", "the cat")

    learned = tail - (first[-5:] + second[-5:]) / 2
    torch.testing.assert_close(mixed[-5:], target[-5:] + learned)


OTHERS: dict[str, Any] = {
    "a name less": lambda kept: {name: kept[name] for name in kept if name != "rng"},
    "a name more": lambda kept: kept | {"version": torch.tensor(2)},
    "none of its names": lambda _: {"weights": torch.zeros(2)},
    "empty": lambda _: {},
    "more positions": lambda kept: kept | {"tail": kept["tail"].repeat(2, 1)},
    "another width": lambda kept: kept | {"exp_avg": kept["exp_avg"][:, :-1]},
    "another type": lambda kept: kept | {"exp_avg_sq": kept["exp_avg_sq"].half()},
    "not finite": lambda kept: kept | {"tail": kept["tail"] * torch.nan},
    "more steps than the job has": lambda kept: kept | {"step": torch.tensor(STEPS + 1)},
    "steps that are none": lambda kept: kept | {"step": torch.tensor(-1), "adam_step": torch.tensor(-1)},
    "more of Adam's steps than steps": lambda kept: kept | {"adam_step": kept["step"] + 1},
    "a step that is no number": lambda kept: kept | {"step": torch.tensor([3, 3])},
    "another generator": lambda kept: kept | {"rng": kept["rng"][:16]},
    "a broken generator": lambda kept: kept | {"rng": torch.full_like(kept["rng"], 255)},
}


@pytest.mark.parametrize("change", OTHERS.values(), ids=OTHERS.keys())
def test_a_checkpoint_that_does_not_fit_begins_the_job_again(
    engine: Engine, exact: Backbone, change: Any, caplog: pytest.LogCaptureFixture
) -> None:
    params = PersonalizeParams(steps=STEPS)
    whole, reports = learn(engine, exact, params)
    assert reports[2].checkpoint is not None

    tail, again = learn(engine, exact, params, checkpoint=change(reports[2].checkpoint))

    assert torch.equal(tail, whole)
    assert again[-1].step == STEPS
    assert "checkpoint.refused" in caplog.text


def test_a_checkpoint_after_the_last_step_is_the_result(engine: Engine, exact: Backbone) -> None:
    params = PersonalizeParams(steps=STEPS)
    whole, reports = learn(engine, exact, params)
    tail, rest = learn(engine, exact, params, checkpoint=reports[-1].checkpoint)
    assert torch.equal(tail, whole)
    assert rest == []


def test_a_loss_that_is_not_finite_is_reported_as_none_and_moves_nothing(exact: Backbone) -> None:
    job = hiper.personalize(
        sources=[Source(picture(exact), SOURCE)], params=PersonalizeParams(steps=3), schedule=exact.schedule, seed=5
    )
    answers = {
        EncodePrompt: lambda request: exact.encode_prompt([request.text])[0],
        EncodeImage: lambda request: [part[0] for part in exact.encode_image(request.image[None])],
    }
    request = ask(job, answers, NoiseLoss)
    no_grad = torch.zeros_like(request.conditioning.sequence)
    for loss, told in ((float("nan"), None), (float("inf"), None), (2.5, 2.5)):
        report = job.send(LossAndGrad(loss, no_grad, finite=False))
        assert isinstance(report, Report)
        assert report.loss == told
        assert report.checkpoint is not None
        assert int(report.checkpoint["adam_step"]) == 0
        if report.step < report.steps:
            job.send(None)


@pytest.mark.parametrize("loss", [float("nan"), float("inf"), float("-inf")])
def test_a_report_can_not_carry_a_loss_that_is_no_number(loss: float) -> None:
    with pytest.raises(ValueError, match="loss of step 7 is"):
        Report(7, 9, loss)


def test_timesteps_are_drawn_from_the_recipes_range_and_for_a_share_from_all(exact: Backbone) -> None:
    narrow = PersonalizeParams(timestep_low=300, timestep_high=400)
    shared = narrow.model_copy(update={"uniform_share": 0.5})
    rng = torch.Generator().manual_seed(0)

    drawn = [hiper._draw_timestep(narrow, 0, rng) for _ in range(500)]
    mixed = [hiper._draw_timestep(shared, 0, rng) for _ in range(500)]

    assert (min(drawn), max(drawn)) == (300, 400)
    outside = [timestep for timestep in mixed if not 300 <= timestep <= 400]
    assert 150 < len(outside) < 300  # half of the draws, nine tenths of which fall outside
    assert min(outside) < 100
    assert max(outside) > 900


def test_the_range_of_timesteps_moves_down_with_the_steps_and_stops_at_zero() -> None:
    params = PersonalizeParams(steps=101, timestep_low=300, timestep_high=400, timestep_drift=350)
    rng = torch.Generator().manual_seed(0)

    def seen(step: int) -> tuple[int, int]:
        drawn = [hiper._draw_timestep(params, step, rng) for _ in range(1000)]
        return min(drawn), max(drawn)

    assert seen(0) == (300, 400)
    assert seen(50) == (125, 225)
    assert seen(100) == (0, 50)


def test_a_loss_that_is_never_finite_ends_the_job_with_the_reason(engine: Engine, exact: Backbone) -> None:
    broken = torch.full_like(picture(exact), float("nan"))
    job = hiper.personalize(
        sources=[Source(broken, SOURCE)], params=PersonalizeParams(steps=100), schedule=exact.schedule, seed=0
    )

    ticket = engine.submit(job, backbone=exact, kind="personalize", name="broken")

    with pytest.raises(hiper.NonFiniteLossError, match="20 steps in a row"):
        ticket.result(timeout=60)


def pipeline(folder: Path, sampler: str) -> Any:
    """Return diffusers' own pipeline over the same files, with its own scheduler for the sampler."""
    ddim = DDIMScheduler.from_pretrained(folder / "scheduler")
    scheduler: Any = ddim
    if sampler == "dpmpp_2m":
        scheduler = DPMSolverMultistepScheduler.from_config(
            ddim.config, final_sigmas_type="zero", timestep_spacing="linspace"
        )
    made: Any = StableDiffusionPipeline(
        text_encoder=CLIPTextModel.from_pretrained(folder / "text_encoder"),
        tokenizer=CLIPTokenizer.from_pretrained(folder / "tokenizer"),
        unet=UNet2DConditionModel.from_pretrained(folder / "unet"),
        vae=AutoencoderKL.from_pretrained(folder / "vae"),
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    made.set_progress_bar_config(disable=True)
    return made


@pytest.mark.parametrize("sampler", ["ddim", "dpmpp_2m"])
def test_an_edit_with_a_tail_equals_diffusers_pipeline_given_the_same_embeds(
    engine: Engine, small: Backbone, folder: Path, sampler: str
) -> None:
    tail = torch.randn(5, small.width, generator=torch.Generator().manual_seed(1))
    params = EditParams(
        sampler=sampler, num_inference_steps=12, guidance_scale=3.0, tail_scale=0.7, negative_prompt="the cat"
    )
    job = hiper.edit(
        prompt=TARGET, tail=tail, params=params, schedule=small.schedule, latent_shape=small.latent_shape, seed=4
    )
    ours = engine.submit(job, backbone=small, kind="edit", name="edit").result()[0]

    embeds, negative = (row.sequence for row in small.encode_prompt([TARGET, "the cat"]))
    embeds = torch.cat([embeds[:-5], 0.7 * tail])
    theirs = pipeline(folder, sampler)(
        prompt_embeds=embeds[None],
        negative_prompt_embeds=negative[None],
        latents=torch.randn(small.latent_shape, generator=torch.Generator().manual_seed(4))[None],
        num_inference_steps=12,
        guidance_scale=3.0,
        output_type="pt",
    ).images[0]

    torch.testing.assert_close((ours + 1) / 2, theirs, rtol=0, atol=1e-4)


def test_a_picture_of_several_is_the_same_as_when_asked_for_alone(engine: Engine, small: Backbone) -> None:
    tail = torch.randn(5, small.width, generator=torch.Generator().manual_seed(1))

    def make(seed: int, count: int) -> list[Tensor]:
        params = EditParams(num_images=count, num_inference_steps=4)
        job = hiper.edit(
            prompt=TARGET, tail=tail, params=params, schedule=small.schedule, latent_shape=small.latent_shape, seed=seed
        )
        return engine.submit(job, backbone=small, kind="edit", name="edit").result()

    third_of_three, alone = make(10, 3)[2], make(12, 1)[0]

    torch.testing.assert_close(third_of_three, alone, rtol=0, atol=1e-4)


def test_the_unconditional_row_never_carries_the_tail(small: Backbone) -> None:
    tail = torch.full((5, small.width), 7.0)
    params = EditParams(num_images=2, num_inference_steps=2)
    job = hiper.edit(
        prompt=TARGET, tail=tail, params=params, schedule=small.schedule, latent_shape=small.latent_shape, seed=0
    )

    rows = ask(job, {EncodePrompt: lambda request: small.encode_prompt([request.text])[0]}, PredictNoise)

    empty = small.encode_prompt([""])[0].sequence
    assert [torch.equal(row.conditioning.sequence, empty) for row in rows] == [False, True, False, True]
    assert torch.equal(rows[0].conditioning.sequence[-5:], params.tail_scale * tail)


def conditional_row(backbone: Backbone, prompt: str, tail: Tensor, scale: float, *sources: str) -> Tensor:
    """Return the sequence (L, D) that a residual edit conditions on."""
    job = hiper.edit(
        prompt=prompt,
        tail=tail,
        params=EditParams(tail_mode="residual", tail_scale=scale, num_inference_steps=2),
        schedule=backbone.schedule,
        latent_shape=backbone.latent_shape,
        seed=0,
        source_prompts=sources,
    )
    rows = ask(job, {EncodePrompt: lambda request: backbone.encode_prompt([request.text])[0]}, PredictNoise)
    sequence: Tensor = rows[0].conditioning.sequence
    return sequence


def test_a_residual_tail_adds_what_was_learned_and_at_scale_zero_is_plain_stable_diffusion(small: Backbone) -> None:
    tail = torch.randn(5, small.width, generator=torch.Generator().manual_seed(1))
    source, target = (row.sequence for row in small.encode_prompt([SOURCE, TARGET]))

    assert torch.equal(conditional_row(small, TARGET, tail, 0.0, SOURCE), target)
    torch.testing.assert_close(conditional_row(small, SOURCE, tail, 1.0, SOURCE)[-5:], tail)
    mixed = conditional_row(small, TARGET, tail, 0.5, SOURCE)
    assert torch.equal(mixed[:-5], target[:-5])
    torch.testing.assert_close(mixed[-5:], target[-5:] + 0.5 * (tail - source[-5:]))


def test_what_several_tails_have_learned_is_added_up_each_at_its_own_length_and_scale(small: Backbone) -> None:
    rng = torch.Generator().manual_seed(1)
    tail, other = torch.randn(5, small.width, generator=rng), torch.randn(2, small.width, generator=rng)
    source, target = (row.sequence for row in small.encode_prompt([SOURCE, TARGET]))
    job = hiper.edit(
        prompt=TARGET,
        tail=tail,
        params=EditParams(tail_mode="residual", tail_scale=0.5, num_inference_steps=2),
        schedule=small.schedule,
        latent_shape=small.latent_shape,
        seed=0,
        source_tail=source[-5:],
        others=[hiper.OtherTail(other, 0.25, source_prompts=[SOURCE])],
    )

    rows = ask(job, {EncodePrompt: lambda request: small.encode_prompt([request.text])[0]}, PredictNoise)

    wanted = target.clone()
    wanted[-5:] += 0.5 * (tail - source[-5:])
    wanted[-2:] += 0.25 * (other - source[-2:])
    torch.testing.assert_close(rows[0].conditioning.sequence, wanted, rtol=0, atol=1e-6)


def test_a_residual_tail_needs_its_source_prompt(small: Backbone) -> None:
    with pytest.raises(ValueError, match="the prompt that it was learned with"):
        conditional_row(small, TARGET, torch.zeros(5, small.width), 1.0)


def test_without_guidance_the_unconditional_row_is_not_asked_for(small: Backbone) -> None:
    params = EditParams(guidance_scale=1.0, num_inference_steps=2)
    job = hiper.edit(
        prompt=TARGET,
        tail=torch.zeros(5, small.width),
        params=params,
        schedule=small.schedule,
        latent_shape=small.latent_shape,
        seed=0,
    )

    rows = ask(job, {EncodePrompt: lambda request: small.encode_prompt([request.text])[0]}, PredictNoise)

    assert len(rows) == 1


def test_with_strength_sampling_starts_from_the_noised_source_and_does_only_the_last_steps(small: Backbone) -> None:
    params = EditParams(strength=0.3, num_inference_steps=10)
    job = hiper.edit(
        prompt=TARGET,
        tail=torch.zeros(5, small.width),
        params=params,
        schedule=small.schedule,
        latent_shape=small.latent_shape,
        seed=6,
        source=picture(small),
    )
    mean, std = (part[0] for part in small.encode_image(picture(small)[None]))
    answers = {
        EncodePrompt: lambda request: small.encode_prompt([request.text])[0],
        EncodeImage: lambda _: (mean, std),
    }

    rows = ask(job, answers, PredictNoise)

    assert [row.timestep for row in rows] == [201, 201]  # of 901, 801, … 1 the last three are 201, 101, 1
    noise = torch.randn(small.latent_shape, generator=torch.Generator().manual_seed(6))
    assert torch.equal(rows[0].latents, small.schedule.add_noise(mean, noise, 201))


@pytest.mark.parametrize("sampler", ["ddim", "dpmpp_2m"])
def test_an_edit_with_strength_equals_image_to_image_of_diffusers(
    engine: Engine, small: Backbone, folder: Path, sampler: str
) -> None:
    tail = torch.randn(5, small.width, generator=torch.Generator().manual_seed(1))
    params = EditParams(sampler=sampler, num_inference_steps=12, guidance_scale=3.0, strength=0.55, num_images=2)
    job = hiper.edit(
        prompt=TARGET,
        tail=tail,
        params=params,
        schedule=small.schedule,
        latent_shape=small.latent_shape,
        seed=4,
        source=picture(small),
    )
    ours = engine.submit(job, backbone=small, kind="edit", name="edit").result()

    embeds, negative = (row.sequence for row in small.encode_prompt([TARGET, ""]))
    embeds = torch.cat([embeds[:-5], params.tail_scale * tail])
    mean, _ = small.encode_image(picture(small)[None])
    image_to_image: Any = StableDiffusionImg2ImgPipeline(**pipeline(folder, sampler).components)
    image_to_image.set_progress_bar_config(disable=True)
    for i, our in enumerate(ours):
        theirs = image_to_image(
            prompt_embeds=embeds[None],
            negative_prompt_embeds=negative[None],
            image=mean,  # four channels: latents, so that the posterior's mean is meant
            generator=torch.Generator().manual_seed(4 + i),
            strength=0.55,
            num_inference_steps=12,
            guidance_scale=3.0,
            output_type="pt",
        ).images[0]
        torch.testing.assert_close((our + 1) / 2, theirs, rtol=0, atol=1e-4)


def test_only_the_tail_is_learned_and_the_head_stays_the_prompts(exact: Backbone) -> None:
    job = hiper.personalize(
        sources=[Source(picture(exact), SOURCE)], params=PersonalizeParams(steps=3), schedule=exact.schedule, seed=0
    )
    answers = {
        EncodePrompt: lambda request: exact.encode_prompt([request.text])[0],
        EncodeImage: lambda request: tuple(part[0] for part in exact.encode_image(request.image[None])),
    }

    request = ask(job, answers, NoiseLoss)

    plain = exact.encode_prompt([SOURCE])[0].sequence
    assert torch.equal(request.conditioning.sequence, plain)  # the first step begins at the prompt's own encoding
