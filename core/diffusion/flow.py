"""Rectified flow, as SD3 and FLUX are trained: its schedule and Euler's sampler as pure functions. Nothing uses it yet.

docs/flow.md says what else such models need.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class FlowSchedule:
    """Straight lines from data to noise: x_s = (1 - s) x_0 + s noise for a noise level s (sigma) in 0..1.

    The model predicts the velocity dx/ds = noise - x_0 (Liu et al. 2022; Esser et al. 2024, section 2). `shift` moves
    the levels toward noise, which larger pictures need; the model sees s times `num_train_timesteps`.
    """

    shift: float = 1.0
    num_train_timesteps: int = 1000

    def add_noise(self, latents: Tensor, noise: Tensor, sigma: float) -> Tensor:
        """Return x_s, the noisy latents of x_0 (C, h, w) at the level."""
        return (1.0 - sigma) * latents + sigma * noise

    def target(self, latents: Tensor, noise: Tensor) -> Tensor:
        """Return the velocity that the model must predict, shaped like the latents, at any level."""
        return noise - latents

    def predict_x0(self, noisy_latents: Tensor, velocity: Tensor, sigma: float) -> Tensor:
        """Return the x_0 that the model's output means."""
        return noisy_latents - sigma * velocity

    def shifted(self, sigma: float) -> float:
        """Return a level moved toward noise: shift s / (1 + (shift - 1) s)."""
        return self.shift * sigma / (1.0 + (self.shift - 1.0) * sigma)

    def sigmas(self, num_inference_steps: int) -> tuple[float, ...]:
        """Return the falling levels of so many steps, 0 behind the last: evenly spaced, then moved.

        As diffusers' FlowMatchEulerDiscreteScheduler spaces them, whose own range begins and ends at moved levels.
        """
        if num_inference_steps < 1:
            raise ValueError(f"num_inference_steps is {num_inference_steps}; it must be at least 1")
        high, low = self.shifted(1.0), self.shifted(1.0 / self.num_train_timesteps)
        steps = max(num_inference_steps - 1, 1)
        spaced = [high + (low - high) * i / steps for i in range(num_inference_steps)]
        return (*(self.shifted(sigma) for sigma in spaced), 0.0)


def shift_for(tokens: int, *, few: int = 256, many: int = 4096, least: float = 0.5, most: float = 1.15) -> float:
    """Return the shift for a picture of so many latent tokens, as FLUX moves its levels with the picture's size.

    Its logarithm grows in a straight line from `least` at `few` tokens to `most` at `many` of them.
    """
    return math.exp(least + (most - least) * (tokens - few) / (many - few))


def euler_step(latents: Tensor, velocity: Tensor, sigma: float, next_sigma: float) -> Tensor:
    """Return the latents (C, h, w) at the next, lower level: one step along the velocity."""
    stepped: Tensor = latents.float() + (next_sigma - sigma) * velocity.float()
    return stepped.to(torch.promote_types(latents.dtype, torch.float32))


def euler_timesteps(schedule: FlowSchedule, sigmas: Sequence[float]) -> tuple[float, ...]:
    """Return what the model is told at each level but the last, which is clean."""
    return tuple(sigma * schedule.num_train_timesteps for sigma in sigmas[:-1])
