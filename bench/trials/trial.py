"""Cases with their prompts and seeds: a way of making edits in, what the judge says of them out."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.trials.cases import Case, cases
from bench.trials.keep import Keep
from bench.trials.scoring import Marks, Scorer, Share, shares
from bench.trials.studio import Studio, Wish
from core.diffusion.backbone import load_backbone
from core.models.parameters import EditParams, PersonalizeParams
from pretrain.captions.caption import full_caption, plain_caption
from pretrain.drawing.pictures import to_bytes, to_tensor
from pretrain.drawing.render import render
from pretrain.drawing.scenes import Scene
from pretrain.judging.judge import open_judge
from pretrain.training.parallel import settle

Prompts = Callable[[Case, Scene], str]


@dataclass(frozen=True, eq=False)
class Tails:
    """A tail (n, D) for each case, or None for the bare prompt, and `of`, all that they depend on."""

    of: object
    rows: Sequence[Tensor | None]

    def passed_on(self) -> Tails:
        """Return the same tails, each for the next case: another individual's."""
        return Tails(["passed on", self.of], [*self.rows[1:], self.rows[0]])


@dataclass(frozen=True)
class Row:
    """One way of making edits, and the judge's marks of all of them by the individual's number."""

    way: str
    tail_scale: float | None
    marks: dict[int, list[Marks]]

    @cached_property
    def shares(self) -> dict[str, Share]:
        """How many per cent of the edits answer each question rightly."""
        return shares(list(self.marks.values()))

    def minus(self, other: Row, question: str) -> Share:
        """Return by how many points this way is better, paired over individuals, with a 95 % interval."""
        pairs = [(self._mean(number, question), other._mean(number, question)) for number in self.marks]
        return Share.of([[mine - its] for mine, its in pairs if mine is not None and its is not None])

    def _mean(self, number: int, question: str) -> float | None:
        values = [mark[question] for mark in self.marks[number] if question in mark]
        return float(np.mean(values)) if values else None


def pooled(way: str, rows: Sequence[Row]) -> Row:
    """Return one row with the marks of several, such as those of several training seeds."""
    numbers = rows[0].marks
    return Row(way, rows[0].tail_scale, {n: [mark for row in rows for mark in row.marks[n]] for n in numbers})


@dataclass(frozen=True)
class Setting:
    """What a trial depends on: the model's folder, whom it tries, with how many sampling seeds, and who judges."""

    model: Path
    split: str
    judge: str
    individuals: int
    seeds: int
    keep: Path | None = None


@dataclass(frozen=True, eq=False)
class Trial:
    """Some of a setting's cases, made and judged in this process."""

    studio: Studio
    scorer: Scorer
    cases: Sequence[Case]
    seeds: int
    judge: str = ""
    keep: Keep = field(default_factory=lambda: Keep(None))

    @classmethod
    def open(cls, setting: Setting, part: Sequence[Case], *, quiet: bool = False) -> Trial:
        """Load the model and the judge for a part of the setting's cases."""
        backbone = load_backbone(str(setting.model), name="bench")
        judge = open_judge(setting.judge, setting.model / "judges" / f"judge_{setting.judge}.safetensors")
        ground = [backbone.hash, setting.split, [case.number for case in part]]
        keep = Keep(setting.keep, json.dumps(ground))
        return cls(Studio(backbone, quiet=quiet), Scorer(judge), part, setting.seeds, setting.judge, keep)

    def learn(self, params: PersonalizeParams, seed: int, at: Sequence[int] = ()) -> dict[int, Tails]:
        """Return the cases' tails after each of the steps `at`, and after the last one."""
        seeds = [1000 * case.number + seed for case in self.cases]
        sources = [case.source for case in self.cases]
        steps = sorted({*at, params.steps})
        of = ["tails", params.model_dump(), seed]
        learned = self.keep.tails(of, steps, lambda: self.studio.tails(sources, seeds, params, steps))
        return {step: Tails([*of, step], [tails[step] for tails in learned]) for step in steps}

    def no_tails(self) -> Tails:
        """Return what leaves every prompt as it is: plain Stable Diffusion."""
        return Tails("none", [None] * len(self.cases))

    def run(self, way: str, params: EditParams, tails: Tails, prompts: Prompts) -> Row:
        """Make all edits and mark them."""
        plan = self._plan()
        wishes = [
            Wish(prompts(case, target), tails.rows[index], seed, [plain_caption(case.source)])
            for index, case, target, seed in plan
        ]
        scale = None if tails.rows[0] is None else params.tail_scale
        of = [params.model_dump(), tails.of]
        return self._row(way, scale, of, lambda: self.studio.pictures(wishes, params))

    def truth(self) -> Row:
        """Mark the ceiling: the drawn truth after a round trip through the VAE."""
        backbone = self.studio.backbone

        def pictures() -> NDArray[np.uint8]:
            images = to_tensor(np.stack([np.asarray(render(target)) for _, _, target, _ in self._plan()]))
            decoded = [backbone.decode_latents(backbone.encode_image(batch)[0]) for batch in torch.split(images, 16)]
            return to_bytes(torch.cat(decoded))

        return self._row("the truth through the VAE", None, None, pictures)

    def captions_read(self) -> Prompts:
        """Return prompts that also say all looks that the judge reads off the individual's only picture."""
        images = to_tensor(np.stack([np.asarray(render(case.source)) for case in self.cases]))
        read = self.scorer.judge.read(images)
        looks = {case.number: found for case, found in zip(self.cases, read, strict=True)}
        return lambda case, target: full_caption(target, looks[case.number])

    def _row(self, way: str, scale: float | None, of: object, pictures: Callable[[], NDArray[np.uint8]]) -> Row:
        of = ["marks", self.judge, self.seeds, way, of]
        marks = self.keep.values(of, lambda: self._marks(pictures()))
        return Row(way, scale, {case.number: found for case, found in zip(self.cases, marks, strict=True)})

    def _marks(self, pictures: NDArray[np.uint8]) -> list[list[Marks]]:
        marks: list[list[Marks]] = [[] for _ in self.cases]
        for (index, case, target, _), picture in zip(self._plan(), pictures, strict=True):
            marks[index].append(self.scorer.marks(case, target, picture))
        return marks

    def _plan(self) -> list[tuple[int, Case, Scene, int]]:
        """Return every edit's case, with its index, its target and its sampling seed."""
        return [
            (index, case, target, 1000 * case.number + seed)
            for index, case in enumerate(self.cases)
            for target in case.targets
            for seed in range(self.seeds)
        ]


def plain(_: Case, target: Scene) -> str:
    """Return a prompt that says the scene and the species, and nothing else of the individual."""
    return plain_caption(target)


def over_processes(setting: Setting, work: Callable[[Trial], list[Row]], processes: int) -> list[Row]:
    """Return the rows of `work`, done by several processes of one thread each, with a part of the cases each.

    Two of one thread do more than one of two, whose threads meet after every operation.
    """
    found = cases(setting.split, setting.individuals)
    processes = min(processes, max(1, len(found) // 2))  # "another's tail" wants two cases in every part
    parts = [found[first::processes] for first in range(processes)]
    if processes == 1:
        return work(Trial.open(setting, found))
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, initializer=settle) as pool:
        by_part = list(pool.map(partial(_part, setting, work), parts, [bool(n) for n in range(processes)]))
    return [_joined(rows) for rows in zip(*by_part, strict=True)]


def _part(setting: Setting, work: Callable[[Trial], list[Row]], part: Sequence[Case], quiet: bool) -> list[Row]:
    return work(Trial.open(setting, part, quiet=quiet))


def _joined(parts: Sequence[Row]) -> Row:
    marks = {number: found for part in parts for number, found in part.marks.items()}
    return Row(parts[0].way, parts[0].tail_scale, dict(sorted(marks.items())))
