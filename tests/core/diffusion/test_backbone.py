from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from tokenizers import Tokenizer
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

from core.diffusion.backbone import Backbone, load_backbone
from core.diffusion.sampling import SolverState, guide, make_sampler
from core.diffusion.stack import stack_conditioning
from tests.support.checkpoints import Kind, tiny_float64_backbone, write_checkpoint

KINDS: list[Kind] = ["sd15", "sd21"]
CRITTERS = Path(__file__).parents[3] / "models" / "critters"
TEXTS = ["", "the dog", "a DOG doing  things, wow! 123 café 犬", "the " * 75]


@pytest.fixture(scope="module", params=KINDS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp(request.param), kind=request.param)


@pytest.fixture(scope="module")
def backbone(folder: Path) -> Backbone:
    return load_backbone(str(folder), name="tiny", device="cpu")


@pytest.fixture(scope="module")
def pipeline(folder: Path) -> Any:
    """Return diffusers' own pipeline over the same files, loaded without our code."""
    pipeline_class: Any = StableDiffusionPipeline  # untyped, like the next three
    unet_class: Any = UNet2DConditionModel
    vae_class: Any = AutoencoderKL
    scheduler_class: Any = DDIMScheduler
    made = pipeline_class(
        text_encoder=CLIPTextModel.from_pretrained(folder / "text_encoder"),
        tokenizer=CLIPTokenizer.from_pretrained(folder / "tokenizer"),
        unet=unet_class.from_pretrained(folder / "unet"),
        vae=vae_class.from_pretrained(folder / "vae"),
        scheduler=scheduler_class.from_pretrained(folder / "scheduler"),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    made.set_progress_bar_config(disable=True)
    return made


def draw(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=dtype)


def sample(backbone: Backbone, name: str, steps: int, prompt: str, negative: str) -> Tensor:
    """Return the latents (C, h, w) of an edit without a tail, guided by 7.5."""
    both = stack_conditioning(backbone.encode_prompt([negative, prompt]))
    sampler = make_sampler(name, backbone.schedule, steps)
    latents = draw(*backbone.latent_shape)
    state: SolverState | None = None
    for i, timestep in enumerate(sampler.timesteps):
        with torch.no_grad():
            uncond, cond = backbone.predict(torch.stack([latents] * 2), torch.tensor([timestep] * 2), both)
        latents, state = sampler.step(i, latents, guide(uncond, cond, 7.5), state)
    return latents


def test_a_checkpoint_says_its_shapes_and_is_frozen(backbone: Backbone) -> None:
    assert (backbone.latent_shape, backbone.image_size) == ((4, 8, 8), 16)
    assert (backbone.sequence_length, backbone.width) == (77, 32)
    assert backbone.memory_bytes > 4 * 500_000
    for model in (*backbone._prompts.text_encoders, backbone._vae, backbone._unet):
        assert not model.training
        assert not any(parameter.requires_grad for parameter in model.parameters())


def test_prompts_are_encoded_and_padded_as_diffusers_does(backbone: Backbone, pipeline: Any) -> None:
    for text, ours in zip(TEXTS, backbone.encode_prompt(TEXTS), strict=True):
        with torch.no_grad():
            theirs, _ = pipeline.encode_prompt(text, "cpu", 1, do_classifier_free_guidance=False)
        assert ours.sequence.dtype == torch.float32
        torch.testing.assert_close(ours.sequence, theirs[0], atol=1e-5, rtol=0)


def test_tokens_are_counted_with_both_markers_and_as_the_published_tokenizer_file_does(backbone: Backbone) -> None:
    published = Tokenizer.from_str(backbone.tokenizer_json.decode())
    counts = [backbone.count_tokens(text) for text in [*TEXTS, "the dog " * 100]]
    assert counts == [len(published.encode(text).ids) for text in [*TEXTS, "the dog " * 100]]
    assert (counts[0], counts[1], counts[3], counts[4]) == (2, 4, 77, 202)


def test_a_text_that_does_not_fit_is_an_error_and_never_cut(backbone: Backbone) -> None:
    with pytest.raises(ValueError, match=r"78 tokens.* 77 fit"):
        backbone.encode_prompt(["the " * 76])


def test_a_prediction_is_that_of_the_unet_called_directly(backbone: Backbone, pipeline: Any) -> None:
    latents, timesteps = draw(3, *backbone.latent_shape), torch.tensor([1, 400, 999])
    rows = stack_conditioning(backbone.encode_prompt(["the dog", "a dog", ""]))
    with torch.no_grad():
        ours = backbone.predict(latents, timesteps, rows)
        theirs = pipeline.unet(latents, timesteps, encoder_hidden_states=rows.sequence).sample
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "their_class", "extra"),
    [
        ("ddim", DDIMScheduler, {"timestep_spacing": "leading"}),
        ("dpmpp_2m", DPMSolverMultistepScheduler, {"timestep_spacing": "linspace", "final_sigmas_type": "zero"}),
    ],
)
def test_an_edit_is_that_of_the_stable_diffusion_pipeline(
    backbone: Backbone, pipeline: Any, name: str, their_class: Any, extra: dict[str, str]
) -> None:
    pipeline.scheduler = their_class.from_config(pipeline.scheduler.config, **extra)
    cond, negative = backbone.encode_prompt(["the dog", "a sitting thing"])
    theirs = pipeline(
        prompt_embeds=cond.sequence[None],
        negative_prompt_embeds=negative.sequence[None],
        latents=draw(*backbone.latent_shape)[None],
        num_inference_steps=12,
        guidance_scale=7.5,
        output_type="latent",
    ).images[0]
    torch.testing.assert_close(sample(backbone, name, 12, "the dog", "a sitting thing"), theirs, atol=1e-4, rtol=1e-4)


def test_pictures_are_encoded_and_decoded_as_the_vae_does(backbone: Backbone, pipeline: Any) -> None:
    pictures = draw(2, 3, 16, 16).clamp(-1, 1)
    mean, std = backbone.encode_image(pictures)
    with torch.no_grad():
        posterior = pipeline.vae.encode(pictures).latent_dist
        decoded = pipeline.vae.decode(mean / 0.18215).sample.clamp(-1, 1)
    torch.testing.assert_close(mean, posterior.mean * 0.18215, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(std, posterior.std * 0.18215, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(backbone.decode_latents(mean), decoded, atol=1e-5, rtol=1e-5)


def test_a_picture_of_a_size_that_the_vae_cannot_halve_is_an_error(backbone: Backbone) -> None:
    with pytest.raises(ValueError, match="multiples of 2"):
        backbone.encode_image(torch.zeros(1, 3, 15, 16))


def test_a_tail_leaves_room_for_bos_and_eos_and_knows_the_rows_common_size(backbone: Backbone) -> None:
    spec = backbone.tail_spec(5)
    assert (spec.length, spec.positions, spec.width, spec.head_length) == (77, 5, 32, 72)
    rows = backbone.encode_prompt(["the dog"])[0].sequence
    assert spec.rms == pytest.approx(float(rows.square().mean().sqrt()), rel=0.05)
    for positions in (0, 76):
        with pytest.raises(ValueError, match="between 1 and 75"):
            backbone.tail_spec(positions)


@pytest.mark.parametrize("kind", KINDS)
def test_the_gradient_to_the_sequence_is_that_of_finite_differences(kind: Kind) -> None:
    backbone = tiny_float64_backbone(kind)
    (row,) = backbone.encode_prompt(["the dog"])
    latents, timesteps = draw(1, *backbone.latent_shape, dtype=torch.float64), torch.tensor([500])

    def loss(sequence: Tensor) -> Tensor:
        return (
            backbone.predict(latents, timesteps, stack_conditioning([replace(row, sequence=sequence)])).square().mean()
        )

    sequence = row.sequence.clone().requires_grad_(True)
    (grad,) = torch.autograd.grad(loss(sequence), sequence)
    direction, width = draw(*sequence.shape, dtype=torch.float64), 1e-5
    with torch.no_grad():
        slope = (loss(sequence + width * direction) - loss(sequence - width * direction)) / (2 * width)
    assert grad.abs().max() > 0
    torch.testing.assert_close((grad * direction).sum(), slope, atol=0, rtol=1e-6)


def test_a_bfloat16_unet_still_gives_float32_rows(folder: Path) -> None:
    backbone = load_backbone(str(folder), name="half", device="cpu", dtype="bfloat16")
    rows = backbone.encode_prompt(["the dog"])
    output = backbone.predict(draw(1, *backbone.latent_shape), torch.tensor([500]), stack_conditioning(rows))
    assert backbone.dtype == torch.bfloat16
    assert {rows[0].sequence.dtype, output.dtype, backbone.decode_latents(output).dtype} == {torch.float32}


def test_the_embedded_model_draws_a_picture() -> None:
    backbone = load_backbone(str(CRITTERS), name="critters", device="cpu")
    picture = backbone.decode_latents(sample(backbone, "dpmpp_2m", 4, "a red fox", "")[None])
    assert picture.shape == (1, 3, backbone.image_size, backbone.image_size)
    assert picture.isfinite().all()
    assert picture.abs().max() <= 1
    assert picture.std() > 0.05


def test_a_compiled_unet_has_the_same_hash_memory_and_output(folder: Path, backbone: Backbone) -> None:
    compiled = load_backbone(str(folder), name="compiled", device="cpu", compiled=True)
    latents = torch.randn(2, *backbone.latent_shape, generator=torch.Generator().manual_seed(0))
    timesteps, rows = torch.tensor([3, 700]), stack_conditioning(backbone.encode_prompt(["", "the dog"]))

    assert isinstance(compiled._unet, torch._dynamo.OptimizedModule)
    assert (compiled.hash, compiled.memory_bytes) == (backbone.hash, backbone.memory_bytes)
    assert compiled.latent_shape == backbone.latent_shape
    torch.compiler.set_stance("force_eager")  # compiling takes minutes, and needs a compiler
    try:
        output = compiled.predict(latents, timesteps, rows)
    finally:
        torch.compiler.set_stance("default")
    torch.testing.assert_close(output, backbone.predict(latents, timesteps, rows))
