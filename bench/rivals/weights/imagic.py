"""Imagic (Kawar et al. 2023, arXiv 2210.09276): optimize the target's embedding, tune the UNet to it, interpolate."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from bench.rivals.method import Ask, Method, Shots, Stage, Subject, drawn_from, noised
from bench.rivals.weights.finetune import copied, errors, posteriors_of, replaced, train, trainable, unet_of
from core.diffusion.conditioning import Conditioning
from core.diffusion.requests import AdamState, AdamStep, EncodeImage, EncodePrompt, LossAndGrad, NoiseLoss, Routine

_EMBEDDING = "embedding"


@dataclass(frozen=True)
class Imagic(Method):
    """One picture and one target prompt at a time, as in the paper: all of it is learned anew for every prompt.

    With `start=source` the embedding begins at the picture's own prompt, so that one tuned UNet serves all prompts.
    The defaults are diffusers' community pipeline's; `eta`, how far it goes from the picture to the prompt, is the
    paper's. The embedding is a routine, which shares its calls; the UNet is each prompt's own.
    """

    steps: int = 500
    learning_rate: float = 1e-3
    tuning_steps: int = 1000
    tuning_rate: float = 2e-6
    eta: float = 0.7
    start: Literal["target", "source"] = "target"

    shares_calls: ClassVar[bool] = False
    lengths: ClassVar[tuple[str, ...]] = ("steps", "tuning_steps")

    @property
    def per_prompt(self) -> bool:  # type: ignore[override] # a setting decides
        """Whether it learns anew for each prompt."""
        return self.start == "target"

    def learn(self, stage: Stage, shots: Shots, seed: int) -> Subject:
        """Learn from the picture with its own prompt."""
        return self._adapted(stage, shots, shots.prompts[0], seed)

    def draw(self, stage: Stage, subject: Subject, asks: Sequence[Ask]) -> NDArray[np.uint8]:
        """Draw the prompts; if they are what it starts from, it first learns each of them."""
        if self.start == "source":
            return super().draw(stage, subject, asks)
        made: dict[int, NDArray[np.uint8]] = {}
        for prompt in dict.fromkeys(ask.prompt for ask in asks):
            numbers = [i for i, ask in enumerate(asks) if ask.prompt == prompt]
            adapted = self._adapted(stage, subject.shots, prompt, asks[numbers[0]].seed)
            made |= dict(zip(numbers, super().draw(stage, adapted, [asks[i] for i in numbers]), strict=True))
        return np.stack([made[i] for i in range(len(asks))])

    def applied(self, stage: Stage, subject: Subject) -> AbstractContextManager[None]:
        """Have the tuned UNet in place of the frozen one."""
        weights = {name: tensor for name, tensor in subject.kept.items() if name != _EMBEDDING}
        return replaced(unet_of(stage), weights)

    def drawing(self, stage: Stage, subject: Subject, ask: Ask) -> Routine[list[Tensor]]:
        """Draw from between the picture's embedding and the prompt's."""
        target: Conditioning = yield EncodePrompt(ask.prompt)
        between = torch.lerp(subject.kept[_EMBEDDING], target.sequence, self.eta)
        return (yield from drawn_from(stage, replace(target, sequence=between), ask.seed, self.edit(stage)))

    def _adapted(self, stage: Stage, shots: Shots, prompt: str, seed: int) -> Subject:
        """Optimize the embedding of a prompt for the picture, then tune the UNet with it."""
        job = optimized(stage, shots, prompt, steps=self.steps, learning_rate=self.learning_rate, seed=seed)
        [(text, first)] = stage.studio.run("personalize", [job], 1)
        posteriors = posteriors_of(stage, shots)[:1]

        def loss_of(rng: Generator) -> Tensor:
            return errors(stage, [noised(stage.schedule, posteriors, rng)], [text])[0]

        with trainable(unet_of(stage)) as weights:
            losses = train(
                list(weights.values()), loss_of, steps=self.tuning_steps, learning_rate=self.tuning_rate, seed=seed
            )
            kept = copied(weights)
        return Subject(shots, kept | {_EMBEDDING: text.sequence}, [*first, *losses])


def optimized(
    stage: Stage, shots: Shots, prompt: str, *, steps: int, learning_rate: float, seed: int
) -> Routine[tuple[Conditioning, list[float]]]:
    """Optimize a prompt's whole sequence (L, D) for the first picture, with Adam; returns it with each step's loss."""
    text: Conditioning = yield EncodePrompt(prompt)
    posterior = yield EncodeImage(shots.sources[0].image)
    state = AdamState(torch.zeros_like(text.sequence), torch.zeros_like(text.sequence), 0)
    rng = Generator().manual_seed(seed)
    losses = []
    for _ in range(steps):
        row = noised(stage.schedule, [posterior], rng)
        answer: LossAndGrad = yield NoiseLoss(row.latents, row.timestep, text, row.target)
        if answer.finite:
            sequence, state = yield AdamStep(text.sequence, answer.grad, state, learning_rate)
            text = replace(text, sequence=sequence)
            losses.append(answer.loss)
    return text, losses
