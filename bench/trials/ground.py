"""What a trial must know of the world that its model draws: whom to try, how their pictures are drawn and marked."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from bench.trials import cases, scoring
from bench.trials.scoring import Marks
from core.diffusion.learning.sources import Source
from pretrain.captions.caption import full_caption, plain_caption
from pretrain.drawing.pictures import to_tensor
from pretrain.drawing.render import render
from pretrain.drawing.scenes import Scene, random_setting
from pretrain.judging.judge import open_judge


class AnyScorer(Protocol):
    """Marks edits with one judge."""

    judge: Any

    def marks(self, case: Any, target: Any, picture: NDArray[np.uint8]) -> Marks:
        """Return what `picture` (H, W, 3) answers to each question."""


@dataclass(frozen=True)
class Ground:
    """A world as trials see it; a case has `number` and `targets`, the scenes asked for."""

    cases: Callable[[str, int], Sequence[Any]]
    scenes: Callable[[Any, int], Sequence[Any]]  # a case, a count: so many pictures of the individual
    draw: Callable[[Any], NDArray[np.uint8]]
    caption: Callable[[Any], str]
    read: Callable[[Any, Tensor], Sequence[Any]]  # a judge, pictures: what it can say in words of each
    full_caption: Callable[[Any, Any], str]  # a scene, what was read: the scene with these looks
    open_scorer: Callable[[str, Path], AnyScorer]
    columns: tuple[str, ...]  # of the table
    looks: Callable[[Any], list[float]] | None = None  # a case: all looks of its individual, as names tell them
    elsewhere: Callable[[Any, int], Any] | None = None  # a case, a target's number: the individual in another scene

    def subject(self, case: Any, pictures: int = 1) -> list[Source]:
        """Return what a tail is learned from: the case's first pictures with their plain captions."""
        return [Source(self.image(scene), self.caption(scene)) for scene in self.scenes(case, pictures)]

    def image(self, scene: Any) -> Tensor:
        """Return a scene's drawing (3, H, W) in -1..1."""
        return to_tensor(self.draw(scene)[None])[0]


def _scenes(case: cases.Case, count: int) -> list[Scene]:
    rng = random.Random(f"{case.number} {case.source} more")
    found = [case.source]
    while len(found) < count:
        scene = random_setting(case.source.who, rng)
        if scene.style != "sketch":  # it shows no colors
            found.append(scene)
    return found


CRITTERS_GROUND = Ground(
    cases=cases.cases,
    scenes=_scenes,
    draw=lambda scene: np.asarray(render(scene)),
    caption=plain_caption,
    read=lambda judge, images: judge.read(images),
    full_caption=full_caption,
    open_scorer=lambda name, path: scoring.Scorer(open_judge(name, path)),
    columns=("identity", "twin", "text", *scoring.SCENE, *scoring.LOOKS, "leak pose", "leak place", "leak style"),
)
