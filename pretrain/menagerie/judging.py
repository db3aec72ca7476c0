"""Trains the menagerie's judges, look-alikes as hard negatives, and measures whether they know an individual again."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from pretrain.drawing.pictures import to_tensor
from pretrain.judging.network import save_judge
from pretrain.menagerie.captions import ATTRIBUTES
from pretrain.menagerie.drawing.render import render
from pretrain.menagerie.judge import Judge, Reading, new_judge, open_judge
from pretrain.menagerie.lessons import ALIKE, SCENES, Lesson, open_lessons
from pretrain.menagerie.looks import LOOKS
from pretrain.menagerie.scenes import Scene, look_alikes, random_setting, split_seed
from pretrain.menagerie.truth import NUMBERS, UNKNOWN, truth_of
from pretrain.training.trainer import Budget, Trainer

MEASURED = 24  # individuals, at each save
_SEEDS = {"a": 11, "b": 23, "reader": 37}
_TEMPERATURE = 0.05
# what each is worth; details and words are learned first, and numbers can't be read before it is known where to look
_WORDS, _NUMBERS, _AGAIN, _DETAILS = 4.0, 10.0, 0.4, 3.0


def judge_loss(reading: Reading, lesson: Lesson) -> Tensor:
    """Return how badly details are told, words and numbers read, and each individual found again among its look-alikes.

    The first rows are the lesson's groups of look-alikes, `SCENES` scenes of each individual side by side.
    """
    truth, groups = lesson.truth, lesson.groups
    words = [_misread(reading.scores[name], truth.words[:, column]) for column, name in enumerate(ATTRIBUTES)]
    error = (reading.numbers - truth.numbers).pow(2) * truth.seen
    numbers = error.sum() / truth.seen.sum()
    rows = groups * ALIKE * SCENES
    vectors = reading.vectors[:rows].view(groups, ALIKE * SCENES, -1)
    likeness = vectors @ vectors.transpose(1, 2) / _TEMPERATURE
    likeness = likeness - 1e4 * torch.eye(ALIKE * SCENES, device=vectors.device)
    partners = (torch.arange(ALIKE * SCENES, device=vectors.device) ^ 1).repeat(groups)
    return (
        _WORDS * torch.stack(words).mean()
        + _NUMBERS * numbers
        + _DETAILS * functional.cross_entropy(reading.details, lesson.details)
        + _AGAIN * functional.cross_entropy(likeness.flatten(0, 1), partners)
    )


def _misread(scores: Tensor, truth: Tensor) -> Tensor:
    """Return the mean cross entropy of (B, values) where the truth (B,) is known, 0 where it is not at all."""
    known = (truth != UNKNOWN).sum().clamp(min=1)
    return functional.cross_entropy(scores, truth, ignore_index=UNKNOWN, reduction="sum") / known


def train_judge(folder: Path, budget: Budget, name: str, bfloat16: bool = False, processes: int = 1) -> None:
    """Train (or take up) judge "a" or "b", or the "reader"; afterwards it lies in folder/judges.

    `processes`: how many share a batch.
    """
    seed = _SEEDS[name]
    torch.manual_seed(seed)
    path = folder / "judges" / f"judge_{name}.safetensors"
    judge = open_judge(name, path).requires_grad_(True) if path.exists() else new_judge(name)
    judge.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    trainer = Trainer(judge, folder / f"judge-{name}.pt", 2e-3, seed=seed)
    lessons = open_lessons(folder)

    def loss_of(_step: int, generator: torch.Generator) -> Tensor:
        lesson = lessons.batch(generator, processes)
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            reading = judge(lesson.images.contiguous(memory_format=torch.channels_last))
        return judge_loss(reading, lesson)

    def on_save() -> None:
        save_judge(trainer.average, path)
        found = measure(trainer.average, "development", MEASURED)
        print(f"judge {name}: " + ", ".join(f"{key} {value:.3f}" for key, value in found.items()), flush=True)

    trainer.train(loss_of, budget, on_save, save_minutes=5)


def pictures_of(scenes: list[Scene]) -> Tensor:
    """Return the drawn scenes, (B, 3, 128, 128) in -1..1."""
    return to_tensor(np.stack([np.asarray(render(scene)) for scene in scenes]))


@torch.no_grad()
def measure(judge: Judge, split: str, count: int, alike: int = 16) -> dict[str, float]:
    """Return how well a judge reads `count` held-out individuals and finds them among their look-alikes.

    `again`: the drawn truth in another scene is picked among `alike` in that scene; `again, photo`: both in the plain
    style. `words`: the mean share read rightly; `numbers`: the correlation of read and true looks, all taken together.
    """
    again: dict[str, list[bool]] = {"again": [], "again, photo": []}
    scenes: list[Scene] = []
    for index in range(count):
        seed = split_seed(split, 500_000 + index)
        rng = random.Random(seed + 0.125)
        group = look_alikes(seed, alike)
        for key, found_again in again.items():
            first, second = (random_setting(rng) for _ in range(2))
            if key == "again, photo":
                first, second = replace(first, style="photo"), replace(second, style="photo")
            row = [Scene(group[0], first), *(Scene(who, second) for who in group)]
            vectors = judge.recognize(pictures_of(row))
            found_again.append(int((vectors[1:] @ vectors[0]).argmax()) == 0)
            scenes.append(row[0])
    read = compare(judge, pictures_of(scenes), scenes)
    numbers = read.pop("numbers")
    found = {key: float(np.mean(values)) for key, values in again.items()}
    return found | {"words": float(np.mean(list(read.values()))), "numbers": numbers}


@torch.no_grad()
def compare(judge: Judge, pictures: Tensor, scenes: list[Scene]) -> dict[str, float]:
    """Return the share of pictures (B, 3, 128, 128) that show each word of their scenes, of those that some can show.

    And as `numbers` the correlation of read and true looks, all taken together.
    """
    readings, truth = [judge(some) for some in torch.split(pictures, 50)], truth_of(scenes)
    found = {}
    for column, name in enumerate(ATTRIBUTES):
        known = truth.words[:, column] != UNKNOWN
        if not known.any():
            continue
        read = torch.cat([reading.scores[name] for reading in readings]).argmax(1)
        found[name] = float((read == truth.words[:, column])[known].float().mean())
    columns = len(LOOKS)
    seen = truth.seen[:, :columns]
    numbers = torch.cat([reading.numbers for reading in readings])[:, :columns]
    pair = torch.stack([numbers[seen], truth.numbers[:, :columns][seen]])
    return found | {"numbers": float(torch.corrcoef(pair)[0, 1])}


def correlations(judge: Judge, scenes: list[Scene]) -> dict[str, float]:
    """Return the correlation of each number as it is read with the truth, over the scenes in which it is seen."""
    with torch.no_grad():
        numbers = judge(pictures_of(scenes)).numbers
    truth = truth_of(scenes)
    found = {}
    for column, name in enumerate(NUMBERS):
        seen = truth.seen[:, column]
        if int(seen.sum()) > 8:
            pair = torch.stack([numbers[seen, column], truth.numbers[seen, column]])
            found[name] = float(torch.corrcoef(pair)[0, 1])
    return found
