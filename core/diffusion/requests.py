"""What a routine may ask of the engine. A request is one row: no tensor here has a batch axis.

A routine is a generator that does a job's work: it yields one request, or a tuple of them, and is resumed with one
result, or a tuple.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

from torch import Tensor

from core.diffusion.conditioning import Conditioning
from core.diffusion.learning.preview import Preview

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class PredictNoise:
    """Ask for the model's output (C, h, w), float32, for noisy `latents` (C, h, w) at an integer `timestep`."""

    latents: Tensor
    timestep: int
    conditioning: Conditioning


@dataclass(frozen=True, eq=False)
class NoiseLoss:
    """Ask for one row's noise-prediction loss and its gradient with respect to the conditioning's sequence.

    `noisy_latents` and `target` are (C, h, w); the result is a `LossAndGrad`.
    """

    noisy_latents: Tensor
    timestep: int
    conditioning: Conditioning
    target: Tensor
    with_prediction: bool = False
    """Whether the model's output is wanted, too."""


@dataclass(frozen=True, eq=False)
class LossAndGrad:
    """A row's mean squared error and d loss / d sequence (L, D), float32 on the CPU.

    `finite` is False when either was not finite; `grad` is then zero and the row must be skipped.
    """

    loss: float
    grad: Tensor
    finite: bool = True
    prediction: Tensor | None = None
    """The model's output (C, h, w), if it was asked for."""


@dataclass(frozen=True, eq=False)
class AdamState:
    """Adam's first and second moments (both shaped like the parameter, float32) and the number of steps done."""

    exp_avg: Tensor
    exp_avg_sq: Tensor
    step: int


@dataclass(frozen=True, eq=False)
class AdamStep:
    """Ask for one Adam step of `param` (n, D) with `grad`; the result is the pair (new param, new AdamState)."""

    param: Tensor
    grad: Tensor
    state: AdamState
    lr: float


@dataclass(frozen=True, eq=False)
class EncodePrompt:
    """Ask for the `Conditioning` of a text."""

    text: str


@dataclass(frozen=True, eq=False)
class EncodeImage:
    """Ask for the VAE posterior of a picture (3, H, W) in -1..1: a pair (mean, std), each (C, h, w), scaled latents."""

    image: Tensor


@dataclass(frozen=True, eq=False)
class GuessTail:
    """Ask the model's tail prior what a tail of the picture (3, H, W) in -1..1 adds to any prompt: (n, D)."""

    image: Tensor


@dataclass(frozen=True, eq=False)
class DecodeLatents:
    """Ask for the picture (3, H, W) in -1..1, float32, of scaled latents (C, h, w)."""

    latents: Tensor


@dataclass(frozen=True, eq=False)
class Report:
    """Tell whoever waits how far the routine is; the engine passes it on and resumes the routine with None at once.

    `loss` is finite, for it ends as JSON: ValueError, unless the routine says None in its place.
    `checkpoint` maps names to CPU tensors that are not written to afterwards (a personalization's state); `preview` is
    the newest one, which all later reports repeat, as a reader who is late misses some.
    """

    step: int
    steps: int
    loss: float | None = None
    checkpoint: dict[str, Tensor] | None = None
    preview: Preview | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.loss is not None and not math.isfinite(self.loss):
            raise ValueError(f"the loss of step {self.step} is {self.loss}; report None in its place")


Request: TypeAlias = (
    PredictNoise | NoiseLoss | AdamStep | EncodePrompt | EncodeImage | GuessTail | DecodeLatents | Report
)
Routine: TypeAlias = Generator[Request | tuple[Request, ...], Any, T]
