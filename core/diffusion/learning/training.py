"""Where a personalization stands: what its checkpoints hold, and going on from one."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from core.diffusion.requests import AdamState


@dataclass(frozen=True, eq=False)
class Training:
    """Where a personalization stands: the tail (n, D) and its Adam state in float32, and its random numbers."""

    tail: Tensor
    adam: AdamState
    rng: Generator

    @classmethod
    def begin(cls, tail: Tensor, seed: int) -> Training:
        """Start from a tail (n, D), with moments of zero."""
        zeros = torch.zeros_like(tail)
        return cls(tail, AdamState(zeros, zeros.clone(), 0), Generator().manual_seed(seed))

    @classmethod
    def resume(cls, checkpoint: dict[str, Tensor], like: Training, steps: int) -> Training:
        """Go on from what `checkpoint` returned.

        ValueError when it can't be that of a training that begins as `like` and has so many `steps`: another version
        wrote it, or it is damaged.
        """
        _check_alike(checkpoint, like.checkpoint(0))
        step, adam_step = int(checkpoint["step"]), int(checkpoint["adam_step"])
        if not 0 <= adam_step <= step <= steps:
            raise ValueError(f"it is after step {step} of {steps}, and step {adam_step} of Adam's")
        rng = Generator()
        try:
            rng.set_state(checkpoint["rng"])
        except RuntimeError as error:
            raise ValueError(f"rng: {error}") from error
        return cls(checkpoint["tail"], AdamState(checkpoint["exp_avg"], checkpoint["exp_avg_sq"], adam_step), rng)

    def checkpoint(self, step: int) -> dict[str, Tensor]:
        """Return all that the next attempt needs to go on after `step` steps, bit for bit."""
        return {
            "tail": self.tail,
            "exp_avg": self.adam.exp_avg,
            "exp_avg_sq": self.adam.exp_avg_sq,
            "adam_step": torch.tensor(self.adam.step),
            "step": torch.tensor(step),
            "rng": self.rng.get_state(),
        }


def _check_alike(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    """Raise ValueError unless two checkpoints have the same names, shapes and types, and the first is finite."""
    if found.keys() != wanted.keys():
        raise ValueError(f"it holds {sorted(found)}, not {sorted(wanted)}")
    for name, tensor in found.items():
        of_it, of_ours = (f"{each.dtype} {tuple(each.shape)}" for each in (tensor, wanted[name]))
        if of_it != of_ours:
            raise ValueError(f"{name} is {of_it}, not {of_ours}")
        if not bool(tensor.isfinite().all()):
            raise ValueError(f"{name} is not finite")
