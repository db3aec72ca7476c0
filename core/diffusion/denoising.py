"""From noise to pictures: what a conditioning, with or without a tail in it, shows."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from core.diffusion.conditioning import Conditioning
from core.diffusion.requests import DecodeLatents, EncodeImage, EncodePrompt, PredictNoise, Report, Routine
from core.diffusion.sampling import Sampler, SolverState, guide, make_sampler
from core.diffusion.schedule import Schedule
from core.models.parameters import EditParams


def sample(
    conditioning: Conditioning,
    *,
    params: EditParams,
    schedule: Schedule,
    latent_shape: tuple[int, int, int],
    seed: int,
    source: Tensor | None = None,
) -> Routine[list[Tensor]]:
    """Sample pictures (3, H, W) in -1..1 of a conditioning as it is; `hiper.edit` has what the rest means."""
    latents = yield from sample_latents(
        conditioning, params=params, schedule=schedule, latent_shape=latent_shape, seed=seed, source=source
    )
    images = yield tuple(DecodeLatents(row) for row in latents)
    return list(images)


def sample_latents(
    conditioning: Conditioning,
    *,
    params: EditParams,
    schedule: Schedule,
    latent_shape: tuple[int, int, int],
    seed: int,
    source: Tensor | None = None,
) -> Routine[list[Tensor]]:
    """Sample what `sample` decodes, (C, h, w) each."""
    negative: Conditioning = yield EncodePrompt(params.negative_prompt)
    sampler = make_sampler(params.sampler, schedule, params.num_inference_steps, params.strength)
    dtype = conditioning.sequence.dtype
    latents = [_noise(latent_shape, seed + i, dtype) for i in range(params.num_images)]
    if params.strength is not None and source is not None:
        mean, _ = yield EncodeImage(source)
        latents = [schedule.add_noise(mean, noise, sampler.timesteps[0]) for noise in latents]
    return (yield from _denoise(sampler, latents, conditioning, negative, params.guidance_scale))


def _denoise(
    sampler: Sampler, latents: list[Tensor], conditioning: Conditioning, negative: Conditioning, guidance_scale: float
) -> Routine[list[Tensor]]:
    """Take every picture's latents (C, h, w) down all timesteps with classifier-free guidance."""
    states: list[SolverState | None] = [None] * len(latents)
    rows = (conditioning,) if guidance_scale == 1 else (conditioning, negative)
    for i, timestep in enumerate(sampler.timesteps):
        outputs = yield tuple(PredictNoise(x, timestep, row) for x in latents for row in rows)
        for k, x in enumerate(latents):
            cond, uncond = outputs[k * len(rows)], outputs[(k + 1) * len(rows) - 1]
            latents[k], states[k] = sampler.step(i, x, guide(uncond, cond, guidance_scale), states[k])
        yield Report(i + 1, len(sampler.timesteps))
    return latents


def _noise(shape: tuple[int, int, int], seed: int, dtype: torch.dtype) -> Tensor:
    """Return unit noise (C, h, w), drawn on the CPU so that it is the same on every device."""
    return torch.randn(shape, generator=Generator().manual_seed(seed % 2**63), dtype=dtype)
