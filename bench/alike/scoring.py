"""What a judge of the menagerie sees in edits: the scene asked for, the individual among look-alikes, its looks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.alike.cases import Case
from bench.trials.scoring import Marks
from pretrain.drawing.pictures import to_tensor
from pretrain.menagerie.colors import NAMED, Rgb, oklab
from pretrain.menagerie.drawing.render import render
from pretrain.menagerie.individual import Individual
from pretrain.menagerie.judge import Judge
from pretrain.menagerie.judging import pictures_of
from pretrain.menagerie.scenes import Scene
from pretrain.menagerie.truth import NUMBERS, truth_of

SCENE = ("species", "pose", "place", "style")
READ, TRUE = "read ", "true "  # marks of a number as the judge reads it off the edit, and as it is
HALFWAY = 0.65  # a coat is halfway if the nearest word's color is at least so much of the second nearest's way off
_GALLERY = 3  # scenes of each individual in the gallery of the ranking
_COAT = NUMBERS.index("coat_light")


@dataclass(frozen=True, eq=False)
class _Lineup:
    """Unit vectors of drawings, the individual's first: in the target's scene (1 + others, width); the gallery's."""

    rivals: Tensor
    alikes: Tensor
    gallery: Tensor  # (scenes, 1 + others, width)
    true: dict[str, float]  # the numbers that can be seen in the target


class Scorer:
    """Marks edits with one judge; line-ups are drawn once per case and target."""

    def __init__(self, judge: Judge) -> None:
        self.judge = judge
        self._lineups: dict[tuple[int, Scene], _Lineup] = {}

    @torch.no_grad()
    def marks(self, case: Case, target: Scene, picture: NDArray[np.uint8]) -> Marks:
        """Return 1 or 0 for each question that `picture` (H, W, 3) can answer; `text` is in thirds.

        `identity`: picked among 16 of its species in this scene; `alike`: among 16 that share all words with it;
        `precision`: the average precision with which the edit, as a query, ranks the individual's drawings first in a
        gallery of three scenes of each look-alike (Finer-Personalization Rank, arXiv 2512.19026); `halfway`: its coat
        is nearer to the true color than to either of the two words' that the color lies between; scene attributes, and
        `text`, the part of pose, place and style that is right; `leak …`: it shows the source's instead.
        """
        lineup = self._lineup(case, target)
        images = to_tensor(picture[None])
        reading = self.judge(images)
        [seen] = reading.words()
        vector, numbers = self.judge.recognize(images)[0], reading.numbers[0]
        marks: Marks = {
            "identity": float((lineup.rivals @ vector).argmax() == 0),
            "alike": float((lineup.alikes @ vector).argmax() == 0),
            "precision": average_precision(lineup.gallery @ vector),
        }
        for name in SCENE:
            marks[name] = float(seen[name] == _value(target, name))
        marks["text"] = sum(marks[name] for name in SCENE[1:]) / 3
        for name in SCENE[1:]:
            if _value(case.sources[0], name) != _value(target, name):
                marks[f"leak {name}"] = float(seen[name] == _value(case.sources[0], name))
        for name, value in lineup.true.items():
            marks[READ + name], marks[TRUE + name] = float(numbers[NUMBERS.index(name)]), value
        if "coat_light" in lineup.true and (between := words_around(case.who.coat)):
            read = numbers[_COAT : _COAT + 3]
            options = torch.tensor([coordinates(color) for color in (case.who.coat, *between)])
            marks["halfway"] = float((options - read).pow(2).sum(1).argmin() == 0)
        return marks

    def _lineup(self, case: Case, target: Scene) -> _Lineup:
        key = case.number, target
        if key not in self._lineups:
            number = case.targets.index(target) if target in case.targets else 0
            everyone = (case.who, *case.alikes)
            other = [case.elsewhere(_GALLERY * number + index).setting for index in range(_GALLERY - 1)]
            alikes = self._vectors(target, case.alikes)
            gallery = [alikes, *(self._drawn([Scene(who, setting) for who in everyone]) for setting in other)]
            truth = truth_of([target])
            true = {n: float(truth.numbers[0, k]) for k, n in enumerate(NUMBERS) if bool(truth.seen[0, k])}
            self._lineups[key] = _Lineup(self._vectors(target, case.rivals), alikes, torch.stack(gallery), true)
        return self._lineups[key]

    def _vectors(self, target: Scene, others: Sequence[Individual]) -> Tensor:
        return self._drawn([target, *(replace(target, who=who) for who in others)])

    def _drawn(self, scenes: list[Scene]) -> Tensor:
        return self.judge.recognize(pictures_of(scenes))


def average_precision(likeness: Tensor) -> float:
    """likeness: (scenes, individuals) of a query to a gallery, the right individual first. Returns 0..1.

    The mean, over the right ones, of the share of right ones among all that are ranked at least as high.
    """
    right = torch.zeros_like(likeness, dtype=torch.bool)
    right[:, 0] = True
    order = likeness.flatten().argsort(descending=True, stable=True)
    hits = right.flatten()[order].float()
    precision = hits.cumsum(0) / torch.arange(1, len(hits) + 1)
    return float((precision * hits).sum() / hits.sum())


def coordinates(color: Rgb) -> tuple[float, float, float]:
    """Return a color as the judges' numbers tell it."""
    light, red, yellow = oklab(color)
    return 3 * (light - 0.6), 6 * red, 6 * yellow


def words_around(color: Rgb) -> tuple[Rgb, Rgb] | None:
    """Return the colors of the two nearest words if the color lies about halfway between them."""
    here = np.array(coordinates(color))
    near = sorted(NAMED.values(), key=lambda rgb: float(np.linalg.norm(here - coordinates(rgb))))[:2]
    first, second = (float(np.linalg.norm(here - coordinates(rgb))) for rgb in near)
    return (near[0], near[1]) if first >= HALFWAY * second else None


@dataclass(frozen=True)
class Slope:
    """How a number in the edits follows the truth over all individuals: least squares, and the correlation."""

    slope: float
    correlation: float
    edits: int

    def __str__(self) -> str:
        return f"{self.slope:.2f} ({self.correlation:.2f})"

    @classmethod
    def of(cls, read: Sequence[float], true: Sequence[float]) -> Slope:
        """NaN when there are too few edits or the truth does not vary."""
        if len(read) < 8 or np.std(true) < 1e-6:
            return cls(float("nan"), float("nan"), len(read))
        slope = float(np.polyfit(true, read, 1)[0])
        return cls(slope, float(np.corrcoef(true, read)[0, 1]) if np.std(read) else 0.0, len(read))


def slopes(by_individual: Sequence[Sequence[Marks]]) -> dict[str, Slope]:
    """Return each number's slope over all edits in which it can be seen."""
    found = {}
    for name in NUMBERS:
        pairs = [
            (mark[READ + name], mark[TRUE + name]) for marks in by_individual for mark in marks if READ + name in mark
        ]
        if pairs:
            found[name] = Slope.of(*zip(*pairs, strict=True))
    return found


def _value(scene: Scene, name: str) -> str:
    return str(scene.who.species if name == "species" else getattr(scene.setting, name))


def drawn(scene: Scene) -> NDArray[np.uint8]:
    """Return a scene's drawing, (128, 128, 3)."""
    return np.asarray(render(scene))
