"""Trains weights of the frozen UNet for a while, and puts them back as they were."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Generator, Tensor, nn

from bench.rivals.method import Noised, Shots, Stage
from core.diffusion.conditioning import Conditioning
from core.diffusion.stack import stack_conditioning

WEIGHT_DECAY = 1e-2  # of diffusers' examples, as the next one
MAX_GRAD_NORM = 1.0


def unet_of(stage: Stage) -> Any:
    """Return the backbone's UNet; ValueError for one that is compiled, whose weights are not its own."""
    unet: Any = stage.backbone._unet
    if hasattr(unet, "_orig_mod"):
        raise ValueError("weights can't be trained in a compiled UNet")
    return unet


def posteriors_of(stage: Stage, shots: Shots) -> list[tuple[Tensor, Tensor]]:
    """Return each picture's mean and std (C, h, w)."""
    means, stds = stage.backbone.encode_image(torch.stack([source.image for source in shots.sources]))
    return list(zip(means, stds, strict=True))


def errors(stage: Stage, rows: Sequence[Noised], texts: Sequence[Conditioning]) -> Tensor:
    """Return the rows' noise-prediction losses (B,), differentiable with respect to the weights."""
    latents = torch.stack([row.latents for row in rows])
    timesteps = torch.tensor([row.timestep for row in rows])
    output = stage.backbone.predict(latents, timesteps, stack_conditioning(texts))
    target = torch.stack([row.target for row in rows]).to(output)
    return (output - target).square().flatten(1).mean(1)


def train(
    weights: Sequence[Tensor], loss_of: Callable[[Generator], Tensor], *, steps: int, learning_rate: float, seed: int
) -> list[float]:
    """Train weights in place with AdamW at a constant rate, as diffusers' examples do; returns each step's loss."""
    optimizer = torch.optim.AdamW(weights, lr=learning_rate, weight_decay=WEIGHT_DECAY)
    rng = Generator().manual_seed(seed)
    losses = []
    for _ in range(steps):
        with torch.enable_grad():
            loss = loss_of(rng)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(weights, MAX_GRAD_NORM)
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses


@contextmanager
def trainable(module: nn.Module) -> Iterator[dict[str, Tensor]]:
    """Let a module's weights, which are given by name, take gradients; afterwards they are what they were."""
    weights: dict[str, Tensor] = dict(module.named_parameters())
    before = copied(weights)
    module.requires_grad_(True)
    try:
        yield weights
    finally:
        module.requires_grad_(False)
        module.zero_grad(set_to_none=True)
        _put(weights, before)


@contextmanager
def replaced(module: nn.Module, values: Mapping[str, Tensor]) -> Iterator[None]:
    """Give a module other weights; afterwards they are what they were."""
    weights: dict[str, Tensor] = dict(module.named_parameters())
    before = copied({name: weights[name] for name in values})
    try:
        _put(weights, values)
        yield
    finally:
        _put(weights, before)


def copied(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return weights as they are now, on the CPU: the GPU has room for one UNet."""
    return {name: weight.detach().to("cpu", copy=True) for name, weight in weights.items()}


@torch.no_grad()
def _put(weights: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> None:
    for name, value in values.items():
        weights[name].copy_(value)
