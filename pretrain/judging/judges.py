"""Trains the judges and measures how well they read."""

import multiprocessing
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from pretrain.captions.caption import ATTRIBUTES
from pretrain.drawing.pictures import Pictures, open_pictures, to_tensor
from pretrain.drawing.render import render
from pretrain.drawing.scenes import Scene, random_scene, random_setting, split_seed
from pretrain.judging.judge import Judge, new_judge, open_judge
from pretrain.judging.network import save_judge
from pretrain.judging.round_trips import round_trips
from pretrain.training.parallel import run_parallel
from pretrain.training.trainer import Budget, Trainer

TWINS, DRAWN, DECODED = 12, 12, 12  # pairs drawn for the identity, pictures, round trips: a batch
_TEMPERATURE = 0.15
_UNKNOWN = -100  # what cross entropy leaves out


def truth(scene: Scene) -> list[int]:
    """Return what can be seen of each of `ATTRIBUTES`, as a number; -100 for what cannot: a sketch has no colors."""
    who, gray = scene.who, scene.style == "sketch"
    seen: dict[str, str | None] = {
        "species": who.species,
        "pose": scene.pose,
        "place": scene.place,
        "style": scene.style,
        "coat": None if gray else who.coat,
        "second": None if gray or who.pattern == "plain" else who.second,
        "pattern": who.pattern,
        "wear": who.wear,
        "wear_color": None if gray or who.wear == "none" else who.wear_color,
    }
    return [_UNKNOWN if (value := seen[name]) is None else values.index(value) for name, values in ATTRIBUTES.items()]


def twins(split: str, index: int) -> tuple[Scene, Scene]:
    """Return the index-th individual of a split in two scenes."""
    scene = random_scene(split_seed(split, index))
    return scene, random_setting(scene.who, random.Random(split_seed(split, index) + 0.25))


@dataclass(frozen=True)
class _Lessons:
    """Drawings and round trips of the first of them, (N, 64, 64, 3)."""

    pictures: Pictures
    decoded: NDArray[np.uint8]

    def batch(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Pictures (B, 3, 64, 64), the first 2 * TWINS of them pairs of individuals, and truths (B, attributes)."""
        which = torch.randint(50_000_000, (TWINS,), generator=generator).tolist()
        scenes = [scene for index in which for scene in twins("pretraining", index)]
        images = [np.asarray(render(scene)) for scene in scenes]
        rows = torch.randint(len(self.pictures), (DRAWN,), generator=generator).tolist()
        images += [self.pictures.images[row] for row in rows]
        again = torch.randint(len(self.decoded), (DECODED,), generator=generator).tolist()
        images += [self.decoded[row] for row in again]
        scenes += [self.pictures.scene(row) for row in rows + again]
        batch = to_tensor(np.stack(images))
        strength = torch.rand(len(batch), 1, 1, 1, generator=generator) * 0.1
        noisy = batch + strength * torch.randn(batch.shape, generator=generator)
        return noisy, torch.tensor([truth(scene) for scene in scenes])


def judge_loss(judge: Judge, images: Tensor, truths: Tensor) -> Tensor:
    """Return how badly all attributes are read, and each individual found among the other pictures."""
    scores, vectors = judge(images)
    reading = [functional.cross_entropy(scores[name], truths[:, column]) for column, name in enumerate(ATTRIBUTES)]
    pairs = vectors[: 2 * TWINS]
    likeness = pairs @ pairs.T / _TEMPERATURE - 1e4 * torch.eye(len(pairs))
    return torch.stack(reading).mean() + 0.2 * functional.cross_entropy(likeness, torch.arange(len(pairs)) ^ 1)


def train_judges(folder: Path, budget: Budget, processes: int) -> None:
    """Train both judges, side by side if there are two processes; afterwards they lie in folder/judges."""
    round_trips(folder, open_pictures(folder, "pretraining").images)  # made here, once for both
    if processes == 1:
        for name in ("a", "b"):
            _train(folder, budget, name)
        return
    context = multiprocessing.get_context("spawn")
    running = [context.Process(target=run_parallel, args=(_train, 1, folder, budget, name)) for name in ("a", "b")]
    for process in running:
        process.start()
    for process in running:
        process.join()
        if process.exitcode:
            raise RuntimeError(f"the training of a judge ended with code {process.exitcode}")


def train_reader(folder: Path, budget: Budget) -> None:
    """Train what a tail prior sees with; afterwards it lies beside the judges."""
    _train(folder, budget, "reader")


def _train(folder: Path, budget: Budget, name: str) -> None:
    pictures = open_pictures(folder, "pretraining")
    lessons = _Lessons(pictures, round_trips(folder, pictures.images))
    seed = {"a": 11, "b": 23, "reader": 37}[name]
    torch.manual_seed(seed)
    path = folder / "judges" / f"judge_{name}.safetensors"
    judge = open_judge(name, path).requires_grad_(True) if path.exists() else new_judge(name)
    trainer = Trainer(judge, folder / f"judge-{name}.pt", 2e-3, seed=seed)

    def loss_of(_step: int, generator: torch.Generator) -> Tensor:
        return judge_loss(judge, *lessons.batch(generator))

    def on_save() -> None:
        save_judge(trainer.average, path)
        found = accuracy(trainer.average, open_pictures(folder, "development"), 300)
        print(f"judge {name}: " + ", ".join(f"{key} {value:.3f}" for key, value in found.items()), flush=True)

    trainer.train(loss_of, budget, on_save, save_minutes=3)


@torch.no_grad()
def accuracy(judge: Judge, pictures: Pictures, count: int) -> dict[str, float]:
    """Return the share of held-out drawings of which each attribute is read rightly, where it can be seen.

    Beside them `identity`: the share of individuals whose other picture is the nearest of a hundred.
    """
    right: dict[str, list[bool]] = {name: [] for name in ATTRIBUTES}
    for first in range(0, min(count, len(pictures)), 50):
        rows = range(first, min(first + 50, count, len(pictures)))
        scores, _ = judge(to_tensor(pictures.images[rows.start : rows.stop]))
        for row, index in enumerate(rows):
            for (name, score), expected in zip(scores.items(), truth(pictures.scene(index)), strict=True):
                if expected != _UNKNOWN:
                    right[name].append(int(score[row].argmax()) == expected)
    found = {name: float(np.mean(values)) for name, values in right.items()}
    return found | {"identity": _identity(judge, pictures.split)}


def _identity(judge: Judge, split: str, count: int = 100) -> float:
    pairs = [twins(split, 500_000 + index) for index in range(count)]
    images = [to_tensor(np.stack([np.asarray(render(pair[side])) for pair in pairs])) for side in (0, 1)]
    first, second = (judge(side)[1] for side in images)
    return float(((first @ second.T).argmax(1) == torch.arange(count)).float().mean())


def open_judges(folder: Path) -> dict[str, Judge]:
    """Return both judges from a folder that holds judge_a.safetensors and judge_b.safetensors."""
    return {name: open_judge(name, folder / f"judge_{name}.safetensors") for name in ("a", "b")}
