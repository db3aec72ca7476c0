"""Noise: how much at which timestep, and what the loss weighs there."""

import torch
from torch import Tensor

from pretrain.training.models import DDIMScheduler, Scheduler

STEPS = 1000


def ddim() -> Scheduler:
    """Stable Diffusion 1.x' schedule and sampler."""
    return DDIMScheduler(
        num_train_timesteps=STEPS,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )


ALPHAS: Tensor = ddim().alphas_cumprod  # (1000,): how much of the picture is left at each timestep, as a square
SNR: Tensor = ALPHAS / (1 - ALPHAS)

# What v-prediction weighs, so that noise does not hide what only words tell: at much noise hardly anything of the error
# of the noise is the picture's, and colors were not learned with less. Little noise counts less, as in min-SNR-5.
WEIGHTS: Tensor = torch.clamp(5 / SNR, max=1.0) * (1 + 1 / SNR).clamp(max=100.0)


def draw_timesteps(count: int, generator: torch.Generator) -> Tensor:
    """(count,): most of them from above the middle, where pictures take shape and color, the rest from all of it."""
    middle = torch.sigmoid(torch.randn(count, generator=generator) * 0.9 + 0.7) * STEPS
    anywhere = torch.rand(count, generator=generator) * STEPS
    chosen = torch.where(torch.rand(count, generator=generator) < 0.6, middle, anywhere)
    return chosen.long().clamp(0, STEPS - 1)


def add_noise(latents: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
    """Noisy latents, (B, C, 16, 16) like both others; timesteps: (B,)."""
    kept = ALPHAS[timesteps][:, None, None, None]
    return kept.sqrt() * latents + (1 - kept).sqrt() * noise
