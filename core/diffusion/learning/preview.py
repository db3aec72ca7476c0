"""Small pictures of a personalization on its way, from what the model predicts in its steps anyway."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

MOST = 20  # in a personalization
RIDGE = 1e-2  # keeps the map small where the picture does not decide it, as with one of a single color


@dataclass(frozen=True, eq=False)
class Preview:
    """What the model took the picture for after `step` steps: (3, h, w) in -1..1, as large as the latents."""

    step: int
    image: Tensor


def is_due(step: int, steps: int) -> bool:
    """Tell whether the step with this number (from 0 on) is one of those that are shown."""
    most = min(MOST, steps)
    return (step + 1) * most // steps > step * most // steps


def fit_rgb(image: Tensor, latents: Tensor) -> Tensor:
    """Return the linear map (3, C+1) from latents to RGB that fits best for a picture (3, H, W) and its (C, h, w).

    One picture has enough points for its four or so channels, and near it the map is needed: it costs no decoding.
    """
    colors = adaptive_avg_pool2d(image, (latents.shape[1], latents.shape[2])).flatten(1).to(latents)
    points = _with_one(latents)
    moments = points @ points.T / points.shape[1] + RIDGE * torch.eye(len(points)).to(latents)
    fitted: Tensor = torch.linalg.solve(moments, points @ colors.T / points.shape[1])
    return fitted.T


def to_rgb(fitted: Tensor, latents: Tensor) -> Tensor:
    """Return latents (C, h, w) as a picture (3, h, w) in -1..1."""
    return (fitted @ _with_one(latents)).clamp(-1, 1).reshape(3, *latents.shape[1:])


def _with_one(latents: Tensor) -> Tensor:
    """Return the points (C+1, h w) of latents (C, h, w), each with a 1 for the constant part."""
    flat = latents.flatten(1)
    return torch.cat([flat, torch.ones_like(flat[:1])])
