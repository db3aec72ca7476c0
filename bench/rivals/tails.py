"""HiPer itself, by one of the model's recipes: `paper`, `fast`, or one of them with changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from torch import Tensor

from bench.rivals.method import Ask, RowMethod, Shots, Stage, Subject
from core.diffusion import hiper
from core.diffusion.learning.sources import beginning, encode_prompts
from core.diffusion.requests import Report, Routine
from core.models.parameters import EditParams, Recipe
from core.models.recipes import PAPER


@dataclass(frozen=True)
class Tail(RowMethod):
    """A tail, learned and used as a recipe says, its own sampler included."""

    recipe: Recipe = PAPER

    most_pictures: ClassVar[int] = 16

    def learning(self, stage: Stage, shots: Shots, seed: int) -> Routine[Subject]:
        """Learn a tail (n, D); where it began is kept, too, as a tail's file has it."""
        losses: list[float] = []
        job = hiper.personalize(
            sources=shots.sources, params=self.recipe.personalize, schedule=stage.schedule, seed=seed
        )
        tail = yield from _noting(job, losses)
        encoded = yield from encode_prompts(shots.prompts)
        return Subject(shots, {"tail": tail, "source_tail": beginning(encoded, tail.shape[0])}, losses)

    def drawing(self, stage: Stage, subject: Subject, ask: Ask) -> Routine[list[Tensor]]:
        """Edit with the tail."""
        return hiper.edit(
            prompt=ask.prompt,
            tail=subject.kept["tail"],
            params=self.edit(stage),
            schedule=stage.schedule,
            latent_shape=stage.backbone.latent_shape,
            seed=ask.seed,
            source_tail=subject.kept["source_tail"],
        )

    @property
    def steps_in_all(self) -> int:
        """The recipe's steps."""
        return self.recipe.personalize.steps

    def shortened(self, share: float) -> Self:
        """Return the recipe with so large a share of its steps."""
        steps = max(1, round(share * self.recipe.personalize.steps))
        personalize = self.recipe.personalize.model_copy(update={"steps": steps})
        return type(self)(self.guidance_scale, self.recipe.model_copy(update={"personalize": personalize}))

    def edit(self, stage: Stage) -> EditParams:  # noqa: ARG002 - a recipe has its own
        """Return how the recipe samples."""
        return self.recipe.edit


def _noting(job: Routine[Tensor], losses: list[float]) -> Routine[Tensor]:
    """Run a personalization as it is, and note its losses."""
    try:
        request = next(job)
        while True:
            if isinstance(request, Report) and request.loss is not None:
                losses.append(request.loss)
            request = job.send((yield request))
    except StopIteration as stop:
        tail: Tensor = stop.value
        return tail
