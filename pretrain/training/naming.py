"""Teaches a tail prior the names of drawn individuals, before it learns through the backbone."""

from __future__ import annotations

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from core.diffusion.prior import TailPrior
from pretrain.drawing.pictures import to_tensor
from pretrain.training.trainer import fit_rows
from pretrain.training.unet.names import Names

STEPS = 12_000
_AT_ONCE = 50
_HELD_OUT = 0.03  # the last share of the pictures, whose error is told


def teach_names(prior: TailPrior, names: Names, images: NDArray, looks: Tensor, steps: int | None = None) -> float:  # type: ignore[type-arg]
    """Fit a prior's head to the names of those whom pictures show; its encoder stays as it is.

    images: (N, scenes, size, size, 3) bytes, looks: (N, numbers). What it learns of each name is its mean over all who
    would look like that in such a picture: what can't be seen is left out by itself, and no backbone is asked. Returns
    the share of the names' variance that it does not know of pictures held out.
    """
    if len(looks) < 2:
        raise ValueError("names are learned of some individuals and tried on others: two are the least")
    steps = STEPS if steps is None else steps
    features = seen(prior, images)
    wanted = names(looks).detach().repeat_interleave(images.shape[1], 0).repeat(2, 1, 1)  # mirrored ones, too
    held = _held_out(len(looks), images.shape[1])
    head = [*prior.head.parameters(), *prior.out.parameters()]
    fit_rows(head, prior.guess, features[~held], wanted[~held], steps=steps)
    with torch.no_grad():
        error = functional.mse_loss(prior.guess(features[held]), wanted[held])
    return float(error / wanted.var(0).mean())


def _held_out(individuals: int, scenes: int) -> Tensor:
    """Return which rows of what is seen are of the last individuals, as they are and mirrored, (2 * N * scenes,)."""
    last = torch.arange(individuals) >= individuals - max(1, int(_HELD_OUT * individuals))
    return last.repeat_interleave(scenes).repeat(2)


@torch.no_grad()
def seen(prior: TailPrior, images: NDArray) -> Tensor:  # type: ignore[type-arg]
    """Return what a prior's encoder makes of pictures and of their mirror images, (2 * N * scenes, features)."""
    flat = images.reshape(-1, *images.shape[2:])
    found: list[list[Tensor]] = [[], []]
    for first in range(0, len(flat), _AT_ONCE):
        some = to_tensor(flat[first : first + _AT_ONCE]).contiguous(memory_format=torch.channels_last)
        for which, view in zip(found, (some, some.flip(-1)), strict=True):
            which.append(prior.encoder(view))
    return torch.cat([*found[0], *found[1]])
