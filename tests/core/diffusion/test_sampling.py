from __future__ import annotations

from typing import Any

import diffusers
import pytest
import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler
from torch import Tensor

from core.diffusion.sampling import Sampler, SolverState, diffusers_scheduler, guide, make_sampler
from core.diffusion.schedule import Schedule
from core.errors import InvalidInputError

CONFIG: dict[str, Any] = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
}
PREDICTIONS: dict[str, dict[str, Any]] = {
    "epsilon": {"prediction_type": "epsilon"},
    "v_prediction": {"prediction_type": "v_prediction"},
    "zero_snr": {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True},
}
MIXING = torch.randn(4, 4, generator=torch.Generator().manual_seed(1)) / 2


def model(latents: Tensor, timestep: int) -> Tensor:
    """Return a deterministic output (C, h, w) of the size of noise that depends on latents and timestep."""
    return torch.tanh(torch.einsum("ij,jhw->ihw", MIXING, latents) + timestep / 500)


def start() -> Tensor:
    return torch.randn(4, 8, 8, generator=torch.Generator().manual_seed(0))


def trajectory(sampler: Sampler, latents: Tensor, restart: int = -1) -> list[Tensor]:
    """Return the latents after every step; the step `restart` is made without a state."""
    state: SolverState | None = None
    passed = []
    for i, timestep in enumerate(sampler.timesteps):
        latents, state = sampler.step(i, latents, model(latents, timestep), None if i == restart else state)
        passed.append(latents)
    return passed


def their_scheduler(name: str, prediction: str) -> Any:
    ddim: Any = DDIMScheduler  # untyped
    dpm_solver: Any = DPMSolverMultistepScheduler  # untyped
    if name == "ddim":
        extra = {"steps_offset": 1, "set_alpha_to_one": False, "clip_sample": False, "timestep_spacing": "leading"}
        if prediction == "zero_snr":
            extra["timestep_spacing"] = "trailing"
        return ddim(**CONFIG, **PREDICTIONS[prediction], **extra)
    extra = {"solver_order": 2, "solver_type": "midpoint", "final_sigmas_type": "zero", "timestep_spacing": "linspace"}
    return dpm_solver(**CONFIG, **PREDICTIONS[prediction], **extra)


def our_schedule(prediction: str = "epsilon") -> Schedule:
    return Schedule.from_config(CONFIG | PREDICTIONS[prediction])


@pytest.mark.parametrize("steps", [1, 2, 5, 10, 14, 25, 50])
@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("name", ["ddim", "dpmpp_2m"])
def test_a_whole_trajectory_is_that_of_diffusers(name: str, prediction: str, steps: int) -> None:
    theirs = their_scheduler(name, prediction)
    theirs.set_timesteps(steps)
    sampler = make_sampler(name, our_schedule(prediction), steps)
    assert list(sampler.timesteps) == theirs.timesteps.tolist()
    latents = start()
    for ours, timestep in zip(trajectory(sampler, start()), sampler.timesteps, strict=True):
        latents = theirs.step(model(latents, timestep), timestep, latents).prev_sample
        torch.testing.assert_close(ours, latents, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("spacing", ["leading", "trailing"])
@pytest.mark.parametrize("name", ["ddim", "dpmpp_2m"])
@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_a_tail_file_names_the_scheduler_of_diffusers_that_samples_as_ours(
    name: str, spacing: str, prediction: str
) -> None:
    schedule = our_schedule(prediction)
    class_name, config = diffusers_scheduler(name, schedule)
    models_own = CONFIG | PREDICTIONS[prediction] | {"timestep_spacing": spacing, "clip_sample": True}
    models_own |= {"steps_offset": 0}

    theirs = getattr(diffusers, class_name).from_config(models_own, **config)

    theirs.set_timesteps(12)
    sampler = make_sampler(name, schedule, 12)
    assert list(sampler.timesteps) == theirs.timesteps.tolist()
    latents = start()
    for timestep in sampler.timesteps:
        latents = theirs.step(model(latents, timestep), timestep, latents).prev_sample
    torch.testing.assert_close(trajectory(sampler, start())[-1], latents, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("name", ["ddim", "dpmpp_2m"])
def test_there_are_as_many_timesteps_as_steps_and_all_are_the_schedules(name: str, prediction: str) -> None:
    schedule = our_schedule(prediction)
    for steps in range(1, 201):
        timesteps = make_sampler(name, schedule, steps).timesteps
        assert len(timesteps) == steps
        assert list(timesteps) == sorted(set(timesteps), reverse=True)
        assert 0 <= timesteps[-1] <= timesteps[0] < 1000


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("name", ["ddim", "dpmpp_2m"])
def test_a_strength_starts_late_as_image_to_image_of_diffusers_does(name: str, prediction: str) -> None:
    theirs = their_scheduler(name, prediction)
    theirs.set_timesteps(20)
    begin = 20 - int(20 * 0.6)
    if name == "dpmpp_2m":
        theirs.set_begin_index(begin)
    sampler = make_sampler(name, our_schedule(prediction), 20, strength=0.6)
    assert list(sampler.timesteps) == theirs.timesteps[begin:].tolist()
    latents = start()
    for timestep in sampler.timesteps:
        latents = theirs.step(model(latents, timestep), timestep, latents).prev_sample
    torch.testing.assert_close(trajectory(sampler, start())[-1], latents, atol=1e-5, rtol=1e-5)


def test_a_dropped_state_makes_one_first_order_step_and_the_next_is_of_second_order_again() -> None:
    schedule = our_schedule()
    sampler, first_order = make_sampler("dpmpp_2m", schedule, 20), their_scheduler("dpmpp_2m", "epsilon")
    passed = trajectory(sampler, start(), restart=10)
    before, timestep = passed[9], sampler.timesteps[10]
    first_order.set_timesteps(20)
    first_order.set_begin_index(10)  # a scheduler that starts here has no history
    stepped = first_order.step(model(before, timestep), timestep, before).prev_sample
    torch.testing.assert_close(passed[10], stepped, atol=1e-5, rtol=1e-5)
    following = sampler.timesteps[11]
    stepped = first_order.step(model(stepped, following), following, stepped).prev_sample
    torch.testing.assert_close(passed[11], stepped, atol=1e-5, rtol=1e-5)


def test_guidance_of_one_is_the_conditional_and_of_nought_the_unconditional_prediction() -> None:
    uncond, cond = start(), start().flip(0)
    torch.testing.assert_close(guide(uncond, cond, 1.0), cond)
    assert torch.equal(guide(uncond, cond, 0.0), uncond)
    torch.testing.assert_close(guide(uncond, cond, 7.5), 7.5 * cond - 6.5 * uncond)


@pytest.mark.parametrize(
    ("field", "name", "steps", "strength"),
    [
        ("sampler", "euler", 10, None),
        ("num_inference_steps", "ddim", 0, None),
        ("num_inference_steps", "dpmpp_2m", 501, None),
        ("strength", "ddim", 10, 0.05),
        ("strength", "ddim", 10, 1.5),
    ],
)
def test_a_sampler_that_cannot_be_made_is_an_error_that_names_the_field(
    field: str, name: str, steps: int, strength: float | None
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        make_sampler(name, our_schedule(), steps, strength)
    assert caught.value.field == field
