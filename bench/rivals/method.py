"""What every method is: it learns a subject from pictures with their prompts, and draws it as a prompt asks."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from bench.trials.studio import Studio
from core.diffusion import denoising
from core.diffusion.backbone import Backbone
from core.diffusion.conditioning import Conditioning
from core.diffusion.learning.sources import Source
from core.diffusion.requests import Routine
from core.diffusion.schedule import Schedule
from core.models.parameters import EditParams
from pretrain.drawing.pictures import to_bytes


@dataclass(frozen=True, eq=False)
class Shots:
    """Pictures of one subject with their prompts, and the word that it goes by in them ("dog")."""

    sources: Sequence[Source]
    noun: str

    @property
    def prompts(self) -> tuple[str, ...]:
        """The prompts, one a picture."""
        return tuple(source.prompt for source in self.sources)


@dataclass(frozen=True)
class Ask:
    """A picture that is asked for; `worded` is the prompt with the looks in it that can be read off the subject."""

    prompt: str
    seed: int
    worded: str = ""


@dataclass(frozen=True, eq=False)
class Subject:
    """What a method keeps of a subject, and what it was learned from; `losses` are those of its steps."""

    shots: Shots
    kept: Mapping[str, Tensor] = field(default_factory=dict)
    losses: Sequence[float] = ()

    @property
    def bytes_kept(self) -> int:
        """What must be stored of it: two bytes for each real number, as weights are published."""
        return sum(t.numel() * (2 if t.is_floating_point() else t.element_size()) for t in self.kept.values())


@dataclass(frozen=True, eq=False)
class Stage:
    """Where methods are at work: a studio, and how its model samples unless a method says otherwise.

    `shared` holds what subjects share, such as a class' pictures for prior preservation; `adapter` is the file of the
    zero-shot adapter.
    """

    studio: Studio
    edit: EditParams
    shared: dict[str, Tensor] = field(default_factory=dict)
    adapter: Path | None = None

    @property
    def backbone(self) -> Backbone:
        """The model, frozen but for what a method puts into it for a while."""
        return self.studio.backbone

    @property
    def schedule(self) -> Schedule:
        """Its noise schedule."""
        return self.backbone.schedule


@dataclass(frozen=True)
class Method(ABC):
    """A way of drawing a subject; its fields are its settings, whose defaults are the paper's or diffusers' example's.

    `guidance_scale` is the model's own unless it is set.
    """

    guidance_scale: float | None = None

    most_pictures: ClassVar[int] = 1
    shares_calls: ClassVar[bool] = True  # with other subjects: everybody's weights are the same
    per_prompt: ClassVar[bool] = False  # it learns anew for each prompt
    worded: ClassVar[bool] = False  # it draws the worded prompts
    lengths: ClassVar[tuple[str, ...]] = ()  # the settings that say how many steps it learns
    revision: ClassVar[int] = 1  # one more with each change of what it learns or draws: older pictures don't count

    @abstractmethod
    def learn(self, stage: Stage, shots: Shots, seed: int) -> Subject:
        """Learn one subject."""

    @abstractmethod
    def drawing(self, stage: Stage, subject: Subject, ask: Ask) -> Routine[list[Tensor]]:
        """Return the routine that draws one picture, (3, H, W) in -1..1 as a list of one."""

    def learn_several(self, stage: Stage, several: Sequence[Shots], seeds: Sequence[int]) -> list[Subject]:
        """Learn subjects of different users: one after the other, unless they can share calls."""
        return [self.learn(stage, shots, seed) for shots, seed in zip(several, seeds, strict=True)]

    def applied(self, stage: Stage, subject: Subject) -> AbstractContextManager[None]:  # noqa: ARG002 - others need it
        """Return a block in which the model has what was learned of a subject in its weights."""
        return nullcontext()

    def draw(self, stage: Stage, subject: Subject, asks: Sequence[Ask]) -> NDArray[np.uint8]:
        """Draw pictures of one subject, (N, H, W, 3)."""
        with self.applied(stage, subject):
            return draw(stage, [self.drawing(stage, subject, ask) for ask in asks])

    def rests_on(self, stage: Stage) -> str:  # noqa: ARG002 - others need it
        """Return the hash of what a method needs beside the model, empty if nothing."""
        return ""

    @property
    def steps_in_all(self) -> int:
        """How many steps it learns, 0 if it learns nothing."""
        return sum(getattr(self, name) for name in self.lengths)

    def shortened(self, share: float) -> Self:
        """Return the method with so large a share of its steps, of each kind one at least."""
        return replace(self, **{name: max(1, round(share * getattr(self, name))) for name in self.lengths})

    def edit(self, stage: Stage) -> EditParams:
        """Return how pictures are sampled."""
        if self.guidance_scale is None:
            return stage.edit
        return stage.edit.model_copy(update={"guidance_scale": self.guidance_scale})


@dataclass(frozen=True)
class RowMethod(Method):
    """A method that learns rows of embeddings on a frozen model: a routine, which shares calls with other subjects'."""

    @abstractmethod
    def learning(self, stage: Stage, shots: Shots, seed: int) -> Routine[Subject]:
        """Return the routine that learns one subject."""

    def learn(self, stage: Stage, shots: Shots, seed: int) -> Subject:
        """Learn one subject."""
        return self.learn_several(stage, [shots], [seed])[0]

    def learn_several(self, stage: Stage, several: Sequence[Shots], seeds: Sequence[int]) -> list[Subject]:
        """Learn subjects of different users, sixteen at once."""
        jobs = [self.learning(stage, shots, seed) for shots, seed in zip(several, seeds, strict=True)]
        return stage.studio.run("personalize", jobs, len(jobs))


def draw(stage: Stage, drawings: Sequence[Routine[list[Tensor]]]) -> NDArray[np.uint8]:
    """Run routines that draw, sixteen at once; returns (N, H, W, 3)."""
    return to_bytes(torch.stack([made[0] for made in stage.studio.run("edit", drawings, len(drawings))]))


def drawn_from(
    stage: Stage, conditioning: Conditioning, seed: int, params: EditParams, source: Tensor | None = None
) -> Routine[list[Tensor]]:
    """Return the routine that samples a picture from a conditioning; it may begin at a `source` (3, H, W)."""
    return denoising.sample(
        conditioning,
        params=params,
        schedule=stage.schedule,
        latent_shape=stage.backbone.latent_shape,
        seed=seed,
        source=source,
    )


@dataclass(frozen=True, eq=False)
class Noised:
    """One row to learn from: which picture, its noisy latents (C, h, w), and what the model must predict."""

    index: int
    latents: Tensor
    timestep: int
    target: Tensor


def noised(
    schedule: Schedule, posteriors: Sequence[tuple[Tensor, Tensor]], rng: Generator, low: int = 0, high: int = 999
) -> Noised:
    """Draw one of the pictures, given as mean and std (C, h, w), a sample of it, a timestep in low..high and noise."""
    index = int(torch.randint(len(posteriors), (), generator=rng))
    mean, std = posteriors[index]
    latents = mean + std * torch.randn(mean.shape, generator=rng, dtype=mean.dtype)
    timestep = int(torch.randint(low, high + 1, (), generator=rng))
    noise = torch.randn(mean.shape, generator=rng, dtype=mean.dtype)
    return Noised(
        index, schedule.add_noise(latents, noise, timestep), timestep, schedule.target(latents, noise, timestep)
    )


def around(prompt: str, noun: str) -> tuple[str, str]:
    """Return what stands before and after the noun in a prompt; ValueError when it isn't there."""
    found = re.search(rf"\b{re.escape(noun)}\b", prompt)
    if found is None:
        raise ValueError(f"the prompt {prompt!r} has no word {noun!r}, which the subject goes by")
    return prompt[: found.start()].rstrip(), prompt[found.end() :].lstrip()


def with_token(prompt: str, noun: str, token: str) -> str:
    """Return the prompt with a token before its noun: "a standing sks dog"."""
    before, after = around(prompt, noun)
    return " ".join(part for part in (before, token, noun, after) if part)
