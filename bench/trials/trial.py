"""Cases with their prompts and seeds: a way of making edits in, what the judge says of them out."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.alike.ground import MENAGERIE_GROUND
from bench.trials.ground import CRITTERS_GROUND, AnyScorer, Ground
from bench.trials.keep import Keep
from bench.trials.scoring import Marks, Share, shares
from bench.trials.studio import Studio, Wish
from core.diffusion.backbone import load_backbone
from core.models.parameters import EditParams, PersonalizeParams
from pretrain.drawing.pictures import to_bytes
from pretrain.training.parallel import settle
from pretrain.training.unet import Names, open_names
from pretrain.training.unet.names import NAMES_FILE
from pretrain.worlds import WORLDS

GROUNDS = {"critters": CRITTERS_GROUND, "menagerie": MENAGERIE_GROUND}
READER = "a"
Prompts = Callable[[Any, Any], str] | None  # of a case and a target; None: its plain caption


@dataclass(frozen=True, eq=False)
class Tails:
    """A tail (n, D) for each case, or None for the bare prompt, and `of`, all that they depend on.

    `prompts` are those that each was learned with, one a picture.
    """

    of: object
    rows: Sequence[Tensor | None]
    prompts: Sequence[Sequence[str]] = ()

    def passed_on(self) -> Tails:
        """Return the same tails, each for the next case: another individual's."""
        prompts = [*self.prompts[1:], *self.prompts[:1]]
        return Tails(["passed on", self.of], [*self.rows[1:], self.rows[0]], prompts)


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
        """Return by how many points this way is better, paired over the individuals of both, with a 95 % interval."""
        both = [number for number in self.marks if number in other.marks]
        pairs = [(self._mean(number, question), other._mean(number, question)) for number in both]
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
    world: str = "critters"

    def judge_path(self, name: str) -> Path:
        """Return where a judge lies."""
        return self.model / "judges" / f"judge_{name}.safetensors"

    def names(self) -> Names | None:
        """Return what the UNet was taught to call individuals by, if it was."""
        path = self.model / NAMES_FILE
        return open_names(path, WORLDS[self.world].groups) if path.exists() else None

    @property
    def ground(self) -> Ground:
        """The world that the model draws."""
        return GROUNDS[self.world]


@dataclass(frozen=True, eq=False)
class Trial:
    """Some of a setting's cases, made and judged in this process.

    `reader` is the judge who says what words can: judge A, whoever marks, as a judge would agree with itself.
    """

    studio: Studio
    scorer: AnyScorer
    cases: Sequence[Any]
    seeds: int
    judge: str = ""
    keep: Keep = field(default_factory=lambda: Keep(None))
    ground: Ground = CRITTERS_GROUND
    split: str = ""
    reader: Any = None
    names: Names | None = None

    @classmethod
    def open(cls, setting: Setting, part: Sequence[Any], *, quiet: bool = False) -> Trial:
        """Load the model and the judge for a part of the setting's cases."""
        backbone = load_backbone(str(setting.model), name="bench")
        scorers = {name: setting.ground.open_scorer(name, setting.judge_path(name)) for name in {READER, setting.judge}}
        ground = [backbone.hash, setting.split, [case.number for case in part]]
        keep = Keep(setting.keep, json.dumps(ground))
        studio = Studio(backbone, quiet=quiet)
        scorer, reader = scorers[setting.judge], scorers[READER].judge
        names = setting.names()
        return cls(
            studio, scorer, part, setting.seeds, setting.judge, keep, setting.ground, setting.split, reader, names
        )

    def learn(
        self, params: PersonalizeParams, seed: int, at: Sequence[int] = (), *, pictures: int = 1
    ) -> dict[int, Tails]:
        """Return the cases' tails after each of the steps `at`, and after the last one, from so many pictures each."""
        seeds = [1000 * case.number + seed for case in self.cases]
        subjects = [self.ground.subject(case, pictures) for case in self.cases]
        prompts = [[source.prompt for source in subject] for subject in subjects]
        steps = sorted({*at, params.steps})
        of = ["tails", params.model_dump(), seed, *([pictures] if pictures > 1 else [])]
        learned = self.keep.tails(of, steps, lambda: self.studio.tails(subjects, seeds, params, steps))
        return {step: Tails([*of, step], [tails[step] for tails in learned], prompts) for step in steps}

    def no_tails(self) -> Tails:
        """Return what leaves every prompt as it is: plain Stable Diffusion."""
        return Tails("none", [None] * len(self.cases))

    def named(self) -> Tails | None:
        """Return each individual's own name in place of a tail, to compare with; None where no names were taught."""
        if self.names is None or self.ground.looks is None:
            return None
        names = self.names(torch.tensor([self.ground.looks(case) for case in self.cases]))
        prompts = [self.ground.caption(self.ground.scenes(case, 1)[0]) for case in self.cases]
        own = [conditioning.tail(names.shape[1]) for conditioning in self.studio.backbone.encode_prompt(prompts)]
        rows = [tail + name for tail, name in zip(own, names, strict=True)]
        return Tails(["names", float(names.double().sum())], rows, [[prompt] for prompt in prompts])

    def run(self, way: str, params: EditParams, tails: Tails, prompts: Prompts = None) -> Row:
        """Make all edits and mark them."""
        plan = self._plan()
        wishes = [
            Wish(
                prompts(case, target) if prompts else self.ground.caption(target),
                tails.rows[index],
                seed,
                tails.prompts[index] if tails.prompts else (),
            )
            for index, case, target, seed in plan
        ]
        scale = None if tails.rows[0] is None else params.tail_scale
        of = [params.model_dump(), tails.of, *([[wish.prompt for wish in wishes]] if prompts else [])]
        return self._row(way, scale, of, lambda: self.studio.pictures(wishes, params))

    def truth(self) -> Row:
        """Mark the ceiling: the drawn truth after a round trip through the VAE."""
        return self._drawn("the truth through the VAE", lambda _case, target: target)

    def truth_elsewhere(self) -> Row | None:
        """Mark the individual as it is drawn in other scenes than those asked for; None in a world without them."""
        elsewhere = self.ground.elsewhere
        if elsewhere is None:
            return None
        return self._drawn(
            "the truth in another scene", lambda case, target: elsewhere(case, case.targets.index(target))
        )

    def _drawn(self, way: str, scene_of: Callable[[Any, Any], Any]) -> Row:
        """Mark drawings after a round trip through the VAE."""
        backbone = self.studio.backbone

        def pictures() -> NDArray[np.uint8]:
            scenes = [scene_of(case, target) for _, case, target, _ in self._plan()]
            images = torch.stack([self.ground.image(scene) for scene in scenes])
            decoded = [backbone.decode_latents(backbone.encode_image(batch)[0]) for batch in torch.split(images, 16)]
            return to_bytes(torch.cat(decoded))

        return self._row(way, None, None, pictures)

    def captions_read(self) -> Callable[[Any, Any], str]:
        """Return prompts that also say all looks that judge A reads off the individual's only picture."""
        images = torch.stack([self.ground.image(self.ground.scenes(case, 1)[0]) for case in self.cases])
        read = self.ground.read(self.reader or self.scorer.judge, images)
        looks = {case.number: found for case, found in zip(self.cases, read, strict=True)}
        return lambda case, target: self.ground.full_caption(target, looks[case.number])

    def _row(self, way: str, scale: float | None, of: object, pictures: Callable[[], NDArray[np.uint8]]) -> Row:
        of = ["marks", self.judge, self.seeds, way, of]
        marks = self.keep.values(of, lambda: self._marks(pictures()))
        return Row(way, scale, {case.number: found for case, found in zip(self.cases, marks, strict=True)})

    def _marks(self, pictures: NDArray[np.uint8]) -> list[list[Marks]]:
        marks: list[list[Marks]] = [[] for _ in self.cases]
        for (index, case, target, _), picture in zip(self._plan(), pictures, strict=True):
            marks[index].append(self.scorer.marks(case, target, picture))
        return marks

    def _plan(self) -> list[tuple[int, Any, Any, int]]:
        """Return every edit's case, with its index, its target and its sampling seed."""
        return [
            (index, case, target, 1000 * case.number + seed)
            for index, case in enumerate(self.cases)
            for target in case.targets
            for seed in range(self.seeds)
        ]


def over_processes(setting: Setting, work: Callable[[Trial], list[Row]], processes: int) -> list[Row]:
    """Return the rows of `work`, done by several processes of one thread each, with a part of the cases each.

    Two of one thread do more than one of two, whose threads meet after every operation.
    """
    found = setting.ground.cases(setting.split, setting.individuals)
    processes = min(processes, max(1, len(found) // 2))  # "another's tail" wants two cases in every part
    parts = [found[first::processes] for first in range(processes)]
    if processes == 1:
        return work(Trial.open(setting, found))
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, initializer=settle) as pool:
        by_part = list(pool.map(partial(_part, setting, work), parts, [bool(n) for n in range(processes)]))
    return [_joined(rows) for rows in zip(*by_part, strict=True)]


def _part(setting: Setting, work: Callable[[Trial], list[Row]], part: Sequence[Any], quiet: bool) -> list[Row]:
    return work(Trial.open(setting, part, quiet=quiet))


def _joined(parts: Sequence[Row]) -> Row:
    marks = {number: found for part in parts for number, found in part.marks.items()}
    return Row(parts[0].way, parts[0].tail_scale, dict(sorted(marks.items())))
