"""Every individual of a trial, learned and drawn by a method, kept as pictures, and marked by the judge."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench.rivals.lines import Entry
from bench.rivals.method import Ask, Method, Shots, Stage
from bench.trials.ground import Ground
from bench.trials.studio import AT_ONCE
from bench.trials.trial import Row, Trial
from core.models.parameters import Recipe


@dataclass(frozen=True)
class Plan:
    """What is asked of every individual: so many of its targets with so many seeds, and the file of the adapter."""

    prompts: int
    seeds: int
    recipes: dict[str, Recipe]
    adapter: Path | None = None

    def targets(self, case: Any) -> list[Any]:
        """Return the targets that are asked for, spread over all: some in a photo's style, some in another."""
        last = len(case.targets) - 1
        chosen = {round(i * last / max(1, self.prompts - 1)) for i in range(self.prompts)}
        return [case.targets[i] for i in sorted(chosen)]

    def asked(self, case: Any) -> list[tuple[Any, int]]:
        """Return a case's targets with their sampling seeds, which are `bench.quality`'s."""
        return [(target, 1000 * case.number + seed) for target in self.targets(case) for seed in range(self.seeds)]

    def stage(self, trial: Trial) -> Stage:
        """Return where the methods are at work: the model samples as its recipe `fast` does."""
        return Stage(trial.studio, self.recipes["fast"].edit, adapter=self.adapter)


def shots_of(ground: Ground, case: Any, pictures: int) -> Shots:
    """Return a case's first pictures with their plain captions; it goes by its species."""
    return Shots(ground.subject(case, pictures), noun_of(ground, case))


def noun_of(ground: Ground, case: Any) -> str:
    """Return the word that a case's individual goes by."""
    species: str = ground.scenes(case, 1)[0].who.species
    return species


def compete(trial: Trial, *, entries: Sequence[Entry], plan: Plan) -> list[Row]:
    """Return each entry's marks of all cases of the trial."""
    stage, asks = plan.stage(trial), asks_of(trial, plan)
    return [_row(trial, stage, entry, plan, asks) for entry in entries]


def asks_of(trial: Trial, plan: Plan) -> dict[int, list[Ask]]:
    """Return what is asked of each of a trial's cases, by its number."""
    worded = trial.captions_read()
    return {
        case.number: [
            Ask(trial.ground.caption(target), seed, worded(case, target)) for target, seed in plan.asked(case)
        ]
        for case in trial.cases
    }


def _row(trial: Trial, stage: Stage, entry: Entry, plan: Plan, asks: dict[int, list[Ask]]) -> Row:
    marks = {}
    for case, pictures in drawn(trial, stage, entry, asks):
        asked = [target for target, _ in plan.asked(case)]
        marks[case.number] = [trial.scorer.marks(case, t, p) for t, p in zip(asked, pictures, strict=True)]
    return Row(entry.line, None, dict(sorted(marks.items())))


def drawn(
    trial: Trial, stage: Stage, entry: Entry, asks: dict[int, list[Ask]]
) -> Iterator[tuple[Any, NDArray[np.uint8]]]:
    """Yield each of the entry's cases with its pictures (N, H, W, 3): what was kept, and what is made now."""
    cases = [case for case in trial.cases if case.number < entry.individuals]
    kept = {case.number: Kept(trial.keep.folder, stage, entry, _who(trial, case), asks[case.number]) for case in cases}
    missing = []
    for case in cases:
        found = kept[case.number].load()
        if found is None:
            missing.append(case)
        else:
            yield case, found
    at_once = AT_ONCE if entry.method.shares_calls else 1
    for first in range(0, len(missing), at_once):
        group = missing[first : first + at_once]
        several = [shots_of(trial.ground, case, entry.pictures) for case in group]
        subjects = entry.method.learn_several(stage, several, [1000 * case.number for case in group])
        for case, subject in zip(group, subjects, strict=True):
            pictures = entry.method.draw(stage, subject, asks[case.number])
            kept[case.number].save(pictures)
            yield case, pictures


def _who(trial: Trial, case: Any) -> list[Any]:
    """Return of whom pictures are: both splits number their individuals from 0 on."""
    return [trial.split, case.number, noun_of(trial.ground, case)]


class Kept:
    """The pictures of one individual by one method, in a file named by all that they depend on.

    The judge is no part of it: another one can mark them without anything being learned again.
    """

    def __init__(self, folder: Path | None, stage: Stage, entry: Entry, who: object, asks: Sequence[Ask]) -> None:
        """`who`: whatever JSON can say of whom the pictures are, the word that it goes by included."""
        of = [
            stage.backbone.hash,
            stage.backbone.prior_sha256,
            *numbers_of(stage),
            who,
            entry.pictures,
            settings_of(entry.method),
            entry.method.rests_on(stage),
            stage.edit.model_dump(),
            [[ask.worded if entry.method.worded else ask.prompt, ask.seed] for ask in asks],
        ]
        digest = hashlib.sha256(json.dumps(of, sort_keys=True).encode()).hexdigest()
        self._path = None if folder is None else folder / "pictures" / f"{digest[:24]}.png"
        self._count = len(asks)

    def beside(self, suffix: str) -> Path:
        """Return the path of another file of the same name; ValueError without a folder."""
        if self._path is None:
            raise ValueError("nothing is kept")
        return self._path.with_suffix(suffix)

    def load(self) -> NDArray[np.uint8] | None:
        """Return the pictures (N, H, W, 3), or None."""
        if self._path is None or not self._path.exists():
            return None
        column = np.asarray(Image.open(self._path))
        return column.reshape(self._count, -1, *column.shape[1:])

    def save(self, pictures: NDArray[np.uint8]) -> None:
        """Write the pictures, one below the other, all of them or nothing."""
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self._path.with_suffix(".unfinished")
        Image.fromarray(pictures.reshape(-1, *pictures.shape[2:])).save(unfinished, "png")
        unfinished.replace(self._path)


def numbers_of(stage: Stage) -> list[str]:
    """Return in what numbers and on what kind of device a stage computes."""
    return [str(stage.backbone.dtype), stage.backbone.device.type]


def settings_of(method: Method) -> list[Any]:
    """Return a method, its revision and its settings as JSON has them."""
    values = {field.name: getattr(method, field.name) for field in fields(method)}
    values |= {name: value.model_dump() for name, value in values.items() if isinstance(value, Recipe)}
    return [type(method).__name__, method.revision, values]
