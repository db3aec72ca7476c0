from __future__ import annotations

from typing import Any

import pytest
import torch
from diffusers import DDPMScheduler

from core.diffusion.schedule import Schedule

CONFIG: dict[str, Any] = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
}
SCHEDULES = [
    CONFIG,
    CONFIG | {"beta_schedule": "linear"},
    CONFIG | {"trained_betas": [0.001 * (i + 1) for i in range(100)]},
]
PREDICTIONS = ["epsilon", "v_prediction"]


def draws(*shape: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(*shape, generator=generator), torch.randn(*shape, generator=generator)


@pytest.mark.parametrize("config", SCHEDULES, ids=["scaled_linear", "linear", "trained_betas"])
def test_add_noise_and_the_v_target_are_those_of_diffusers(config: dict[str, Any]) -> None:
    scheduler_class: Any = DDPMScheduler  # untyped
    theirs, ours = scheduler_class(**config), Schedule.from_config(config | {"prediction_type": "v_prediction"})
    latents, noise = draws(4, 4, 8, 8)
    timesteps = torch.tensor([0, 1, 50, 99])
    noisy = ours.add_noise(latents, noise, timesteps)
    torch.testing.assert_close(noisy, theirs.add_noise(latents, noise, timesteps), atol=1e-5, rtol=0)
    velocity = theirs.get_velocity(latents, noise, timesteps)
    torch.testing.assert_close(ours.target(latents, noise, timesteps), velocity, atol=1e-5, rtol=0)


@pytest.mark.parametrize("prediction_type", PREDICTIONS)
def test_a_row_with_an_integer_timestep_equals_that_row_of_a_batch(prediction_type: str) -> None:
    schedule = Schedule.from_config(CONFIG | {"prediction_type": prediction_type})
    latents, other = draws(3, 4, 8, 8)
    timesteps = torch.tensor([7, 400, 999])
    for method in (schedule.add_noise, schedule.target, schedule.predict_x0, schedule.predict_epsilon):
        batch = method(latents, other, timesteps)
        for i, timestep in enumerate(timesteps.tolist()):
            assert torch.equal(method(latents[i], other[i], timestep), batch[i])


@pytest.mark.parametrize("prediction_type", PREDICTIONS)
def test_a_perfect_prediction_gives_back_x0_and_the_noise(prediction_type: str) -> None:
    schedule = Schedule.from_config(CONFIG | {"prediction_type": prediction_type})
    latents, noise = (draw.double() for draw in draws(4, 8, 8))
    for timestep in (0, 500, 999):
        noisy, target = schedule.add_noise(latents, noise, timestep), schedule.target(latents, noise, timestep)
        torch.testing.assert_close(schedule.predict_x0(noisy, target, timestep), latents, atol=1e-9, rtol=0)
        torch.testing.assert_close(schedule.predict_epsilon(noisy, target, timestep), noise, atol=1e-9, rtol=0)


def test_the_clean_end_is_one_or_the_first_alpha() -> None:
    assert Schedule.from_config(CONFIG | {"set_alpha_to_one": True}).alpha_cumprod(-1) == 1.0
    schedule = Schedule.from_config(CONFIG | {"set_alpha_to_one": False})
    assert schedule.alpha_cumprod(-1) == schedule.alpha_cumprod(0) < 1.0


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("beta_schedule", "squaredcos_cap_v2"),
        ("prediction_type", "sample"),
        ("rescale_betas_zero_snr", True),
        ("thresholding", True),
        ("beta_start", None),
    ],
)
def test_a_schedule_that_is_not_supported_is_an_error_that_names_its_field(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=field):
        Schedule.from_config(CONFIG | {field: value})
