"""DreamBooth (Ruiz et al. 2023, arXiv 2208.12242): the UNet learns what a rare token before the noun means."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator, Tensor

from bench.rivals.method import Ask, Method, Noised, Shots, Stage, Subject, drawn_from, noised, with_token
from bench.rivals.weights.finetune import copied, errors, posteriors_of, replaced, train, trainable, unet_of
from core.diffusion import denoising
from core.diffusion.conditioning import Conditioning
from core.diffusion.requests import EncodePrompt, Routine
from core.models.parameters import EditParams


@dataclass(frozen=True)
class DreamBooth(Method):
    """All of the UNet is trained, on the pictures and beside them on the class' own, so that the class stays itself.

    The defaults are diffusers' example with prior preservation, its text encoder frozen. The class' pictures are
    sampled from the noun alone ("a dog"), once for all subjects of that noun, and are none of a subject's seconds: a
    service would have them already. Without a token it is the noun itself that is learned.
    """

    steps: int = 800
    learning_rate: float = 5e-6
    prior_weight: float = 1.0
    class_pictures: int = 200
    token: str = "sks"  # noqa: S105 - a word
    timestep_low: int = 0
    timestep_high: int = 999

    most_pictures: ClassVar[int] = 16
    shares_calls: ClassVar[bool] = False
    lengths: ClassVar[tuple[str, ...]] = ("steps",)

    def learn(self, stage: Stage, shots: Shots, seed: int) -> Subject:
        """Train the UNet, keep its weights, and put it back."""
        loss_of = self._loss(stage, shots)
        with trainable(unet_of(stage)) as weights:
            losses = train(
                list(weights.values()), loss_of, steps=self.steps, learning_rate=self.learning_rate, seed=seed
            )
            kept = copied(weights)
        return Subject(shots, kept, losses)

    def applied(self, stage: Stage, subject: Subject) -> AbstractContextManager[None]:
        """Have the subject's UNet in place of the frozen one."""
        return replaced(unet_of(stage), subject.kept)

    def drawing(self, stage: Stage, subject: Subject, ask: Ask) -> Routine[list[Tensor]]:
        """Draw the prompt with the token before its noun."""
        conditioning: Conditioning = yield EncodePrompt(with_token(ask.prompt, subject.shots.noun, self.token))
        return (yield from drawn_from(stage, conditioning, ask.seed, self.edit(stage)))

    def _loss(self, stage: Stage, shots: Shots) -> Loss:
        posteriors = posteriors_of(stage, shots)
        prompts = [with_token(prompt, shots.noun, self.token) for prompt in shots.prompts]
        texts = stage.backbone.encode_prompt(prompts)
        of_class = class_prompt(shots.noun)
        [plain] = stage.backbone.encode_prompt([of_class])
        others = class_latents(stage, of_class, self.class_pictures) if self.prior_weight else None
        return Loss(self, stage, posteriors, texts, plain, others)


@dataclass(frozen=True, eq=False)
class Loss:
    """The loss of one step: a picture of the subject, and one of its class, in one call."""

    method: DreamBooth
    stage: Stage
    posteriors: list[tuple[Tensor, Tensor]]
    texts: list[Conditioning]
    class_text: Conditioning
    class_latents: Tensor | None  # (N, C, h, w)

    def __call__(self, rng: Generator) -> Tensor:
        """Draw a step's random numbers and return its loss."""
        low, high = self.method.timestep_low, self.method.timestep_high
        row = noised(self.stage.schedule, self.posteriors, rng, low, high)
        if self.class_latents is None:
            return errors(self.stage, [row], [self.texts[row.index]])[0]
        certain = [(latents, torch.zeros_like(latents)) for latents in self.class_latents]
        other: Noised = noised(self.stage.schedule, certain, rng, low, high)
        both = errors(self.stage, [row, other], [self.texts[row.index], self.class_text])
        return both[0] + self.method.prior_weight * both[1]


def class_prompt(noun: str) -> str:
    """Return the prompt of a class, in which no pose and no place is said: "a dog"."""
    return f"{'an' if noun[0].lower() in 'aeiou' else 'a'} {noun}"


def class_latents(stage: Stage, prompt: str, count: int) -> Tensor:
    """Return latents (N, C, h, w) of a class, sampled once for all its subjects by the frozen model."""
    key = f"{count} {prompt}"
    if key not in stage.shared:
        jobs = [_latents(stage, prompt, seed, stage.edit) for seed in range(count)]
        stage.shared[key] = torch.stack(stage.studio.run("edit", jobs, count))
    return stage.shared[key]


def _latents(stage: Stage, prompt: str, seed: int, params: EditParams) -> Routine[Tensor]:
    """Sample latents (C, h, w), which are trained on as they are: the VAE's round trip would only blur them."""
    conditioning: Conditioning = yield EncodePrompt(prompt)
    [latents] = yield from denoising.sample_latents(
        conditioning, params=params, schedule=stage.schedule, latent_shape=stage.backbone.latent_shape, seed=seed
    )
    return latents
