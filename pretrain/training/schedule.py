"""Noise: how much at which timestep, what the UNet predicts, and what the loss weighs there."""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from core.diffusion.schedule import Schedule
from pretrain.training.models import DDIMScheduler, Scheduler
from pretrain.worlds import CRITTERS, World, world_of

STEPS = 1000


@dataclass(frozen=True)
class Emphasis:
    """Which timesteps a UNet is trained at: six of ten about a middle, the rest anywhere.

    `middle` is its logit, as a share of the way to noise; `late` the share of all that comes from the noisiest tenth.
    """

    middle: float = 0.8
    late: float = 0.0


# White latents show edges at twice the noise that colors alone would bear, so less noise is worth more; and colors
# begin at the end, where noise ends without a trace of them.
WHITE = Emphasis(middle=0.2, late=0.1)


def scheduler_of(world: World) -> Scheduler:
    """Stable Diffusion 1.x' schedule and sampler, or what `World.zero_snr` says of it (Lin et al. 2023)."""
    pure = {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
    return DDIMScheduler(
        num_train_timesteps=STEPS,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        **(pure if world.zero_snr else {}),
    )


def schedule_of(world: World) -> Schedule:
    """Return the noise schedule that a world's UNet is trained with, as the engine reads it."""
    return Schedule.from_config(scheduler_of(world).config)


def schedule_for(folder: Path) -> Schedule:
    """Return the noise schedule of a work folder's world; ValueError if the UNet there was trained with another.

    A UNet without a scheduler beside it is of a time when all were trained with Stable Diffusion 1.x' own.
    """
    schedule = schedule_of(world_of(folder))
    if (folder / "unet").exists():
        before = read_schedule(folder) if (folder / "scheduler").exists() else schedule_of(CRITTERS)
        if before.prediction_type != schedule.prediction_type or before.ends_in_noise != schedule.ends_in_noise:
            detail = f"predicts {before.prediction_type}, and this world's {schedule.prediction_type} at zero SNR"
            raise ValueError(f"{folder / 'unet'} {detail}: remove it, unet.pt and scheduler to train a fresh one")
    return schedule


def read_schedule(folder: Path) -> Schedule:
    """Return the noise schedule that is written in a folder of diffusers' layout."""
    written = (folder / "scheduler" / "scheduler_config.json").read_text(encoding="utf-8")
    return Schedule.from_config(json.loads(written))


def weights_of(schedule: Schedule) -> Tensor:
    """Return what an error of the prediction, the noise's or v's, counts at each timestep, (STEPS,).

    Both amount to an error of v, so that noise does not hide what only words tell: at much noise hardly anything of the
    error of the noise is the picture's. Little noise counts less, as in min-SNR-5 (arXiv 2303.09556).
    """
    snr = (schedule.alphas_cumprod / (1 - schedule.alphas_cumprod)).float()
    little = torch.clamp(5 / snr, max=1.0)
    return little * (1 + 1 / snr).clamp(max=100.0) if schedule.prediction_type == "epsilon" else little


def emphasis_of(schedule: Schedule) -> Emphasis:
    """Return where the timesteps of a training lie."""
    return WHITE if schedule.ends_in_noise else Emphasis()


def draw_timesteps(count: int, generator: torch.Generator, emphasis: Emphasis | None = None) -> Tensor:
    """(count,): most of them where pictures take shape and color, the rest from all of it."""
    where, emphasis = generator.device, emphasis or Emphasis()
    middle = torch.sigmoid(torch.randn(count, generator=generator, device=where) * 0.9 + emphasis.middle) * STEPS
    anywhere = torch.rand(count, generator=generator, device=where) * STEPS
    chosen = torch.where(torch.rand(count, generator=generator, device=where) < 0.6, middle, anywhere)
    if emphasis.late:
        last = STEPS * (1 - torch.rand(count, generator=generator, device=where) / 10)
        chosen = torch.where(torch.rand(count, generator=generator, device=where) < emphasis.late, last, chosen)
    return chosen.long().clamp(0, STEPS - 1)
