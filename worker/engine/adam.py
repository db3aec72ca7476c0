"""One Adam step for all rows of a batch at once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from core.diffusion.requests import AdamState, AdamStep

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


@torch.no_grad()
def adam_steps(requests: Sequence[AdamStep]) -> list[tuple[Tensor, AdamState]]:
    """Do one step of Adam (Kingma and Ba, 2015) for every row at once; returns each row's new (n, D) and state.

    Every row has its own step and learning rate, so a row that is absent from a round doesn't move in it; nothing that
    was passed in is written to.
    """
    param = torch.stack([request.param for request in requests])
    grad = torch.stack([request.grad for request in requests]).to(param)
    exp_avg = torch.stack([request.state.exp_avg for request in requests]).lerp(grad, 1 - BETA1)
    exp_avg_sq = torch.stack([request.state.exp_avg_sq for request in requests]) * BETA2 + grad.square() * (1 - BETA2)
    steps = [request.state.step + 1 for request in requests]
    size = _column([request.lr / (1 - BETA1**step) for request, step in zip(requests, steps, strict=True)], param)
    correction = _column([(1 - BETA2**step) ** 0.5 for step in steps], param)
    param = param - size * exp_avg / (exp_avg_sq.sqrt() / correction + EPSILON)
    return [
        (row.clone(), AdamState(first.clone(), second.clone(), step))
        for row, first, second, step in zip(param, exp_avg, exp_avg_sq, steps, strict=True)
    ]


def _column(values: list[float], like: Tensor) -> Tensor:
    """Return `values` (B) so that they broadcast over rows (B, …) of `like`."""
    return torch.tensor(values, dtype=like.dtype).view(-1, *[1] * (like.dim() - 1))
