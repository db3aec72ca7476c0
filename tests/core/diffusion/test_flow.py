from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from torch import Tensor

from core.diffusion.flow import FlowSchedule, euler_step, euler_timesteps, shift_for


def draws() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    first, second = torch.randn(2, 4, 8, 8, generator=generator)
    return first, second


def model(latents: Tensor, timestep: float) -> Tensor:
    """Return a deterministic velocity of the size of noise."""
    return torch.tanh(latents.flip(0) + timestep / 500)


@pytest.mark.parametrize("shift", [1.0, 3.0])
@pytest.mark.parametrize("steps", [1, 2, 7, 28])
def test_a_whole_trajectory_is_that_of_diffusers(shift: float, steps: int) -> None:
    scheduler_class: Any = FlowMatchEulerDiscreteScheduler  # untyped
    theirs, ours = scheduler_class(shift=shift), FlowSchedule(shift=shift)
    theirs.set_timesteps(steps)
    sigmas = ours.sigmas(steps)
    assert list(sigmas) == pytest.approx(theirs.sigmas.tolist(), abs=1e-6)
    assert list(euler_timesteps(ours, sigmas)) == pytest.approx(theirs.timesteps.tolist(), abs=1e-3)
    mine = other = draws()[0]
    for i, timestep in enumerate(theirs.timesteps):
        mine = euler_step(mine, model(mine, float(timestep)), sigmas[i], sigmas[i + 1])
        other = theirs.step(model(other, float(timestep)), timestep, other).prev_sample
        torch.testing.assert_close(mine, other, atol=1e-5, rtol=1e-5)


def test_noise_is_added_as_diffusers_scales_it() -> None:
    scheduler_class: Any = FlowMatchEulerDiscreteScheduler
    theirs = scheduler_class(shift=3.0)
    latents, noise = draws()
    for timestep in theirs.timesteps[[0, 400, 999]]:
        sigma = float(timestep) / 1000
        wanted = theirs.scale_noise(latents[None], timestep[None], noise[None])[0]
        torch.testing.assert_close(FlowSchedule(3.0).add_noise(latents, noise, sigma), wanted, atol=1e-5, rtol=0)


def test_the_right_velocity_gives_back_x0_and_one_step_of_it_arrives() -> None:
    schedule = FlowSchedule()
    latents, noise = (draw.double() for draw in draws())
    for sigma in (0.1, 0.5, 1.0):
        noisy, velocity = schedule.add_noise(latents, noise, sigma), schedule.target(latents, noise)
        torch.testing.assert_close(schedule.predict_x0(noisy, velocity, sigma), latents, atol=1e-9, rtol=0)
        torch.testing.assert_close(euler_step(noisy, velocity, sigma, 0.0).double(), latents, atol=1e-6, rtol=0)


def test_a_larger_picture_begins_with_more_noise() -> None:
    assert (shift_for(256), shift_for(4096)) == pytest.approx((math.exp(0.5), math.exp(1.15)))
    few, many = (FlowSchedule(shift=shift_for(tokens)).shifted(0.5) for tokens in (256, 4096))
    assert 0.5 < few < many < 1


def test_no_step_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        FlowSchedule().sigmas(0)
