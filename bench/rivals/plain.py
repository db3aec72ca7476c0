"""Methods that learn nothing: the bare prompt, words for what can be seen, and noise over the picture itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from bench.rivals.method import Ask, Method, Shots, Stage, Subject, drawn_from
from core.diffusion.conditioning import Conditioning
from core.diffusion.requests import EncodePrompt, Routine


@dataclass(frozen=True)
class Plain(Method):
    """The prompt alone: what any of the model's own subjects would give."""

    def learn(self, stage: Stage, shots: Shots, seed: int) -> Subject:  # noqa: ARG002 - it learns nothing
        """Keep nothing."""
        return Subject(shots)

    def drawing(self, stage: Stage, subject: Subject, ask: Ask) -> Routine[list[Tensor]]:  # noqa: ARG002
        """Draw the prompt."""
        return _worded(stage, ask.prompt, ask.seed, self)


@dataclass(frozen=True)
class Words(Plain):
    """The prompt with the looks in it that a judge reads off the first picture."""

    worded: ClassVar[bool] = True

    def drawing(self, stage: Stage, subject: Subject, ask: Ask) -> Routine[list[Tensor]]:  # noqa: ARG002
        """Draw the prompt with its words."""
        return _worded(stage, ask.worded or ask.prompt, ask.seed, self)


def _worded(stage: Stage, prompt: str, seed: int, method: Method) -> Routine[list[Tensor]]:
    conditioning: Conditioning = yield EncodePrompt(prompt)
    return (yield from drawn_from(stage, conditioning, seed, method.edit(stage)))


@dataclass(frozen=True)
class Sdedit(Method):
    """SDEdit (Meng et al. 2022, arXiv 2108.01073): the target's prompt over the source picture with so much noise."""

    strength: float = 0.8

    def learn(self, stage: Stage, shots: Shots, seed: int) -> Subject:  # noqa: ARG002 - it learns nothing
        """Keep the picture, as bytes."""
        return Subject(shots, {"picture": ((shots.sources[0].image + 1) * 127.5).round().to(torch.uint8)})

    def drawing(self, stage: Stage, subject: Subject, ask: Ask) -> Routine[list[Tensor]]:
        """Draw the prompt from the noised picture."""
        params = self.edit(stage).model_copy(update={"strength": self.strength})
        conditioning: Conditioning = yield EncodePrompt(ask.prompt)
        return (yield from drawn_from(stage, conditioning, ask.seed, params, subject.shots.sources[0].image))
