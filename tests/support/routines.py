"""Small jobs for the engine's tests: a naive personalize loop and an edit loop, and the same without an engine."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from core.diffusion.conditioning import Conditioning
from core.diffusion.requests import AdamState, AdamStep, EncodePrompt, NoiseLoss, PredictNoise, Report, Routine
from tests.support.tiny_backbone import CHANNELS, SIZE, prompt

POSITIONS = 2


def draw(seed: int, steps: int, shape: tuple[int, ...], dtype: torch.dtype) -> list[tuple[Tensor, Tensor, int]]:
    """Return what each step needs that is random: noisy latents, target and timestep."""
    generator = torch.Generator().manual_seed(seed)

    def normal() -> Tensor:
        return torch.randn(shape, generator=generator, dtype=dtype)

    return [(normal(), normal(), int(torch.randint(1000, (), generator=generator))) for _ in range(steps)]


def personalize(
    conditioning: Conditioning,
    seed: int,
    steps: int = 5,
    lr: float = 0.05,
    shape: tuple[int, ...] = (CHANNELS, SIZE, SIZE),
) -> Routine[Tensor]:
    """Learn a tail on random latents; returns it."""
    tail = conditioning.tail(POSITIONS)
    state = AdamState(torch.zeros_like(tail), torch.zeros_like(tail), 0)
    for step, (latents, target, timestep) in enumerate(draw(seed, steps, shape, tail.dtype)):
        row = yield NoiseLoss(latents, timestep, conditioning.with_tail(tail), target)
        tail, state = yield AdamStep(tail, row.grad[-POSITIONS:], state, lr)
        yield Report(step + 1, steps, loss=row.loss, checkpoint={"tail": tail})
    return tail


def naive_personalize(backbone: Any, conditioning: Conditioning, seed: int, steps: int = 5, lr: float = 0.05) -> Tensor:
    """Learn the same tail with autograd and torch.optim.Adam, one row and nothing else."""
    tail = conditioning.tail(POSITIONS).requires_grad_()
    optimizer = torch.optim.Adam([tail], lr=lr)
    for latents, target, timestep in draw(seed, steps, (CHANNELS, SIZE, SIZE), tail.dtype):
        sequence = torch.cat([conditioning.sequence[:-POSITIONS], tail])[None]
        prediction = backbone.unet(latents[None], torch.tensor([timestep]), sequence)
        loss = torch.nn.functional.mse_loss(prediction, target[None])
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
    return tail.detach()


def edit(text: str, seed: int, steps: int = 4, dtype: torch.dtype = torch.float64) -> Routine[Tensor]:
    """Sample a little with guidance; returns latents."""
    conditioning, negative = yield EncodePrompt(text), EncodePrompt("")
    generator = torch.Generator().manual_seed(seed)
    latents = torch.randn(CHANNELS, SIZE, SIZE, generator=generator, dtype=dtype)
    for step in range(steps):
        timestep = 1000 - 100 * (step + 1)
        cond, uncond = yield PredictNoise(latents, timestep, conditioning), PredictNoise(latents, timestep, negative)
        latents = latents - 0.1 * (uncond + 7.5 * (cond - uncond))
    return latents


def naive_edit(backbone: Any, text: str, seed: int, steps: int = 4) -> Tensor:
    """Sample the same without an engine."""
    rows = torch.stack([prompt(text).sequence, prompt("").sequence])
    latents = torch.randn(CHANNELS, SIZE, SIZE, generator=torch.Generator().manual_seed(seed), dtype=rows.dtype)
    for step in range(steps):
        timesteps = torch.full((2,), 1000 - 100 * (step + 1))
        cond, uncond = backbone.unet(latents.expand(2, -1, -1, -1), timesteps, rows)
        latents = latents - 0.1 * (uncond + 7.5 * (cond - uncond))
    return latents
