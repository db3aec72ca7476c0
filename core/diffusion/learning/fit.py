"""Measures how well a tail explains the pictures that it was learned from."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from core.diffusion.conditioning import Conditioning
from core.diffusion.learning.sources import EncodedSource
from core.diffusion.requests import EncodePrompt, PredictNoise, Routine
from core.diffusion.schedule import Schedule
from core.models.fit import Fit

DRAWS = 4  # noised pictures in the evaluation batch, spread evenly over the timesteps
_SEED = 0xF17


def measure_fit(*, sources: Sequence[EncodedSource], schedule: Schedule, tail: Tensor) -> Routine[Fit | None]:
    """Measure a tail (n, D) on the encoded pictures that it was learned from.

    Noise and timesteps are always the same, so that the figures of two tails of one picture can be compared. Of several
    pictures each is there at least once. None if a loss is not finite, as float16 may have it now and then.
    """
    empty: Conditioning = yield EncodePrompt("")
    rng = Generator().manual_seed(_SEED)
    draws = max(DRAWS, len(sources))
    rows: list[PredictNoise] = []
    targets: list[Tensor] = []
    for index in range(draws):
        source = sources[index % len(sources)]
        timestep = int((index + 0.5) * schedule.num_train_timesteps / draws)
        noise = torch.randn(source.latents.shape, generator=rng, dtype=source.latents.dtype)
        noisy = schedule.add_noise(source.latents, noise, timestep)
        texts = (source.with_tail(tail), source.conditioning, empty)
        rows += [PredictNoise(noisy, timestep, text) for text in texts]
        targets += [schedule.target(source.latents, noise, timestep)] * len(texts)
    outputs: Sequence[Tensor] = yield tuple(rows)
    errors = torch.stack([(out - target).pow(2).mean() for out, target in zip(outputs, targets, strict=True)])
    losses = errors.view(draws, -1).mean(0).tolist()
    if not all(math.isfinite(loss) for loss in losses):
        return None
    return Fit(**dict(zip(("loss", "loss_prompt", "loss_empty"), losses, strict=True)))
