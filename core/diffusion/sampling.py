"""Samplers as pure functions: what carries over from step to step is the caller's, one state per job."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from torch import Tensor

from core.diffusion.schedule import Schedule
from core.errors import InvalidInputError

ALMOST_NOISE = 2.0**-24


@dataclass(frozen=True, eq=False)
class SolverState:
    """What the next DPM-Solver++ step needs of the last one: its x0 (C, h, w) and its log(a/s), half the log-SNR."""

    x0: Tensor
    half_log_snr: float


class Sampler(Protocol):
    """One edit's way from noise to latents: `timesteps` falls, and `step(i, ...)` goes on from `timesteps[i]`."""

    @property
    def timesteps(self) -> tuple[int, ...]:
        """The timesteps at which the model is asked."""

    def step(
        self, i: int, latents: Tensor, model_output: Tensor, state: SolverState | None
    ) -> tuple[Tensor, SolverState | None]:
        """Return the latents (C, h, w) at the next timestep, and the state for the next step.

        `state` is what the last step returned; None at the first step, or to make this one a first-order step.
        """


def guide(noise_pred_uncond: Tensor, noise_pred_cond: Tensor, guidance_scale: float) -> Tensor:
    """Return the classifier-free guided model output, shaped like both inputs (Ho and Salimans, 2022)."""
    return noise_pred_uncond + guidance_scale * (noise_pred_cond - noise_pred_uncond)


def ddim_timesteps(schedule: Schedule, num_inference_steps: int) -> tuple[int, ...]:
    """Return the falling timesteps of DDIM: leading spacing, moved up by `steps_offset`.

    Trailing spacing, from T-1 on, if the schedule ends in noise: sampling begins with noise alone, which such a model
    knows at its last timestep only (Lin et al. 2023, section 3.3).
    """
    _check_steps(schedule, num_inference_steps)
    if schedule.ends_in_noise:
        grid = np.arange(schedule.num_train_timesteps, 0, -schedule.num_train_timesteps / num_inference_steps)
        return tuple(int(timestep) - 1 for timestep in grid.round()[:num_inference_steps])  # rounding may add one
    stride = schedule.num_train_timesteps // num_inference_steps
    return tuple(i * stride + schedule.steps_offset for i in reversed(range(num_inference_steps)))


def ddim_step(schedule: Schedule, latents: Tensor, model_output: Tensor, timestep: int, prev_timestep: int) -> Tensor:
    """Return the latents (C, h, w) at `prev_timestep`, which is below 0 at the end (Song et al., 2021; eta 0)."""
    x0 = schedule.predict_x0(latents, model_output, timestep)
    epsilon = schedule.predict_epsilon(latents, model_output, timestep)
    alpha = schedule.alpha_cumprod(prev_timestep)
    return math.sqrt(alpha) * x0 + math.sqrt(1.0 - alpha) * epsilon


def dpmpp_2m_timesteps(schedule: Schedule, num_inference_steps: int) -> tuple[int, ...]:
    """Return the falling timesteps of DPM-Solver++ with `linspace` spacing: from T-1 evenly down to above 0."""
    _check_steps(schedule, num_inference_steps)
    grid = np.linspace(0, schedule.num_train_timesteps - 1, num_inference_steps + 1).round()
    return tuple(int(timestep) for timestep in grid[:0:-1])


def dpmpp_2m_step(
    schedule: Schedule,
    latents: Tensor,
    model_output: Tensor,
    timestep: int,
    *,
    next_timestep: int | None,
    state: SolverState | None,
) -> tuple[Tensor, SolverState]:
    """Return the latents (C, h, w) at `next_timestep` and the state for the step after it.

    DPM-Solver++(2M) with the midpoint rule (Lu et al., 2022, algorithm 2). Without a state it is of first order.
    Without a next timestep the end is sigma = 0, where the step is x0 itself, whatever its order.
    """
    x0 = schedule.predict_x0(latents, model_output, timestep)
    a, s = _a_and_s(schedule, timestep)
    here = SolverState(x0, math.log(a / s))
    if next_timestep is None:
        return x0, here
    a_next, s_next = _a_and_s(schedule, next_timestep)
    h = math.log(a_next / s_next) - here.half_log_snr
    direction = x0
    if state is not None:
        direction = x0 + (x0 - state.x0) * (0.5 * h / (here.half_log_snr - state.half_log_snr))
    return (s_next / s) * latents - a_next * math.expm1(-h) * direction, here


@dataclass(frozen=True, eq=False)
class Ddim:
    """DDIM with eta 0."""

    schedule: Schedule
    timesteps: tuple[int, ...]
    stride: int

    def step(
        self, i: int, latents: Tensor, model_output: Tensor, state: SolverState | None
    ) -> tuple[Tensor, SolverState | None]:
        """Return the latents at the next timestep; DDIM keeps no state."""
        timestep = self.timesteps[i]
        return ddim_step(self.schedule, latents, model_output, timestep, timestep - self.stride), state


@dataclass(frozen=True, eq=False)
class Dpmpp2m:
    """DPM-Solver++ 2M, linspace spacing, down to sigma 0."""

    schedule: Schedule
    timesteps: tuple[int, ...]

    def step(
        self, i: int, latents: Tensor, model_output: Tensor, state: SolverState | None
    ) -> tuple[Tensor, SolverState | None]:
        """Return the latents at the next timestep and this step's state."""
        after = self.timesteps[i + 1] if i + 1 < len(self.timesteps) else None
        return dpmpp_2m_step(self.schedule, latents, model_output, self.timesteps[i], next_timestep=after, state=state)


def make_sampler(name: str, schedule: Schedule, num_inference_steps: int, strength: float | None = None) -> Sampler:
    """Return the sampler `ddim` or `dpmpp_2m`.

    With a `strength` in (0, 1] it keeps only the last int(steps x strength) steps, as diffusers' image-to-image does:
    start from `schedule.add_noise(latents, noise, sampler.timesteps[0])`. InvalidInputError for an unknown name, a
    number of steps that the schedule hasn't, or a strength that leaves no step.
    """
    skipped = _skipped(num_inference_steps, strength)
    match name:
        case "ddim":
            stride = schedule.num_train_timesteps // max(num_inference_steps, 1)
            return Ddim(schedule, ddim_timesteps(schedule, num_inference_steps)[skipped:], stride)
        case "dpmpp_2m":
            return Dpmpp2m(_with_logarithms(schedule), dpmpp_2m_timesteps(schedule, num_inference_steps)[skipped:])
    raise InvalidInputError("sampler", f"sampler is {name!r}; it must be 'ddim' or 'dpmpp_2m'")


def diffusers_scheduler(name: str, schedule: Schedule) -> tuple[str, dict[str, Any]]:
    """Return the scheduler class of diffusers that samples as ours of this name, and what has to be set of it.

    The noise schedule itself is the model's (`from_config(pipeline.scheduler.config, **these)`).
    """
    if name == "dpmpp_2m":
        return "DPMSolverMultistepScheduler", {"timestep_spacing": "linspace", "final_sigmas_type": "zero"}
    return "DDIMScheduler", {
        "timestep_spacing": "trailing" if schedule.ends_in_noise else "leading",
        "steps_offset": schedule.steps_offset,
        "set_alpha_to_one": schedule.final_alpha_cumprod == 1.0,
        "clip_sample": False,
    }


def _with_logarithms(schedule: Schedule) -> Schedule:
    """Return a schedule whose last timestep is not quite noise alone, as in diffusers' solvers: its SNR has a log."""
    if not schedule.ends_in_noise:
        return schedule
    alphas = schedule.alphas_cumprod.clone()
    alphas[-1] = ALMOST_NOISE
    return replace(schedule, alphas_cumprod=alphas)


def _skipped(num_inference_steps: int, strength: float | None) -> int:
    """Return how many of the steps a strength leaves out."""
    if strength is None:
        return 0
    kept = int(num_inference_steps * strength)
    if not 0 < kept <= num_inference_steps:
        detail = f"strength is {strength}; it must be at most 1 and leave at least one of {num_inference_steps} steps"
        raise InvalidInputError("strength", detail)
    return num_inference_steps - kept


def _a_and_s(schedule: Schedule, timestep: int) -> tuple[float, float]:
    """Return sqrt(alpha_cumprod) and sqrt(1 - alpha_cumprod) of one timestep."""
    alpha = schedule.alpha_cumprod(timestep)
    return math.sqrt(alpha), math.sqrt(1.0 - alpha)


def _check_steps(schedule: Schedule, num_inference_steps: int) -> None:
    most = schedule.num_train_timesteps // 2
    if not 1 <= num_inference_steps <= most:
        detail = f"num_inference_steps is {num_inference_steps}; it must be between 1 and {most}"
        raise InvalidInputError("num_inference_steps", detail)
