"""What a judge sees in edits: the scene that was asked for, the individual, and what leaked from its source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.trials.cases import Case
from pretrain.drawing.identity import Identity
from pretrain.drawing.pictures import to_tensor
from pretrain.drawing.render import render
from pretrain.drawing.scenes import Scene
from pretrain.judging.judge import Judge

SCENE = ("species", "pose", "place", "style")
LOOKS = ("coat", "pattern", "second", "wear", "wear_color")  # what words can name
Marks = dict[str, float]


@dataclass(frozen=True, eq=False)
class _Lineup:
    """The individual in a target scene and others in the same scene: unit vectors (1 + others, 32), itself first."""

    rivals: Tensor
    twins: Tensor
    looks: dict[str, str]  # those that the judge reads rightly off the drawn truth itself


class Scorer:
    """Marks edits with one judge; line-ups are drawn once per case and target."""

    def __init__(self, judge: Judge) -> None:
        self.judge = judge
        self._lineups: dict[Scene, _Lineup] = {}

    def marks(self, case: Case, target: Scene, picture: NDArray[np.uint8]) -> Marks:
        """Return 1 or 0 (`text`: thirds) for each question that `picture` (H, W, 3) can answer.

        `identity`: picked among 16 of its species in this scene; `twin`: among 16 that share all words with it; scene
        attributes, and `text`, the part of pose, place and style that is right; looks that the truth shows here;
        `leak …`: it shows the source's pose, place or style instead.
        """
        lineup = self._lineup(case, target)
        [seen], [vector] = self.judge.look(to_tensor(picture[None]))
        marks: Marks = {
            "identity": float((lineup.rivals @ vector).argmax() == 0),
            "twin": float((lineup.twins @ vector).argmax() == 0),
        }
        for name in SCENE:
            marks[name] = float(seen[name] == _value(target, name))
        marks["text"] = sum(marks[name] for name in SCENE[1:]) / 3
        for name, value in lineup.looks.items():
            marks[name] = float(seen[name] == value)
        for name in SCENE[1:]:
            if _value(case.source, name) != _value(target, name):
                marks[f"leak {name}"] = float(seen[name] == _value(case.source, name))
        return marks

    def _lineup(self, case: Case, target: Scene) -> _Lineup:
        if target not in self._lineups:
            truth = self.judge.read(to_tensor(np.asarray(render(target))[None]))[0]
            looks = {name: value for name, value in _visible(target).items() if truth[name] == value}
            self._lineups[target] = _Lineup(
                self._vectors(target, case.rivals), self._vectors(target, case.twins), looks
            )
        return self._lineups[target]

    @torch.no_grad()
    def _vectors(self, target: Scene, others: Sequence[Identity]) -> Tensor:
        scenes = [target, *(replace(target, who=who) for who in others)]
        vectors: Tensor = self.judge(to_tensor(np.stack([np.asarray(render(scene)) for scene in scenes])))[1]
        return vectors


def _value(scene: Scene, name: str) -> str:
    return str(getattr(scene.who if name == "species" else scene, name))


def _visible(scene: Scene) -> dict[str, str]:
    """Return the looks that are there to be seen; a sketch has no colors."""
    who = scene.who
    looks = {"pattern": who.pattern, "wear": who.wear}
    if scene.style != "sketch":
        looks["coat"] = who.coat
        looks |= {"second": who.second} if who.pattern != "plain" else {}
        looks |= {"wear_color": who.wear_color} if who.wear != "none" else {}
    return looks


@dataclass(frozen=True)
class Share:
    """A share of edits in per cent, with the 95 % interval of a bootstrap over individuals."""

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, by_individual: Sequence[Sequence[float]], draws: int = 2000) -> Share:
        """`by_individual`: each individual's values (marks, or differences of marks); empty ones do not count."""
        means = np.array([np.mean(values) for values in by_individual if len(values)])
        if not len(means):
            return cls(float("nan"), float("nan"), float("nan"))
        rng = np.random.default_rng(0)
        drawn = means[rng.integers(0, len(means), (draws, len(means)))].mean(1)
        low, high = np.percentile(drawn, [2.5, 97.5])
        return cls(*(round(100 * float(value), 2) for value in (means.mean(), low, high)))

    def __str__(self) -> str:
        return f"{self.mean:.0f} ({self.low:.0f}-{self.high:.0f})"


def shares(by_individual: Sequence[Sequence[Marks]]) -> dict[str, Share]:
    """Return each question's share over all edits of all individuals."""
    questions = sorted({question for marks in by_individual for mark in marks for question in mark})
    return {q: Share.of([[m[q] for m in marks if q in m] for marks in by_individual]) for q in questions}
