"""Trains the menagerie's judges, look-alikes as hard negatives, and measures whether they know an individual again."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from pretrain.drawing.pictures import Pictures, open_pictures, to_bytes, to_tensor
from pretrain.judging.network import save_judge
from pretrain.menagerie.captions import ATTRIBUTES
from pretrain.menagerie.colors import Rgb, named, oklab
from pretrain.menagerie.drawing.render import render
from pretrain.menagerie.individual import words_of
from pretrain.menagerie.judge import NUMBERS, Judge, Reading, new_judge, open_judge
from pretrain.menagerie.looks import LOOKS
from pretrain.menagerie.scenes import Scene, look_alikes, random_setting, split_seed
from pretrain.training.trainer import Budget, Trainer
from pretrain.training.vae import open_vae

GROUPS, ALIKE, SCENES = 3, 5, 2  # a batch: groups of look-alikes, individuals in each, scenes of each
DECODED, ROUND_TRIPS = 6, 2000  # pictures of a batch that went through the VAE, and how many there are of them
MEASURED = 24  # individuals, at each save
_TEMPERATURE = 0.1
_UNKNOWN = -100  # what cross entropy leaves out
_GRAY = ("sketch",)  # styles without colors


@dataclass(frozen=True)
class Truth:
    """What B scenes show: words as numbers (B, attributes), `NUMBERS` and whether each can be seen (B, numbers)."""

    words: Tensor
    numbers: Tensor
    seen: Tensor


def truth_of(scenes: list[Scene]) -> Truth:
    """Return what can be seen in scenes."""
    words = torch.tensor([_words(scene) for scene in scenes])
    rows = [_numbers(scene) for scene in scenes]
    numbers = torch.tensor([[value or 0.0 for value in row] for row in rows])
    return Truth(words, numbers, torch.tensor([[value is not None for value in row] for row in rows]))


def _words(scene: Scene) -> list[int]:
    who, setting = scene.who, scene.setting
    seen: dict[str, str | None] = {
        **words_of(who),
        "pose": setting.pose, "place": setting.place, "style": setting.style, "side": setting.side,
        "sky": None if setting.place == "night" else named(setting.sky),
    }  # fmt: skip
    unseen = {"second": not who.shows_second, "third": not who.shows_third, "wear_color": who.wear == "none"}
    for name in ("sky", "coat", "second", "third", "iris", "wear_color"):
        if setting.style in _GRAY or unseen.get(name):
            seen[name] = None
    return [_UNKNOWN if (value := seen[name]) is None else values.index(value) for name, values in ATTRIBUTES.items()]


def _numbers(scene: Scene) -> list[float | None]:
    who = scene.who
    shown = set(who.shown)
    found: list[float | None] = [float(getattr(who.looks, look)) if look in shown else None for look in LOOKS]
    colors: tuple[Rgb | None, ...] = (
        who.coat,
        who.second if who.shows_second else None,
        who.third if who.shows_third else None,
        who.iris if (who.wear, who.cut) != ("glasses", 2) else None,
        who.wear_rgb if who.wear != "none" else None,
    )
    for color in colors:
        if color is None or scene.setting.style in _GRAY:
            found += [None] * 3
        else:
            light, red, yellow = oklab(color)
            found += [3 * (light - 0.6), 6 * red, 6 * yellow]
    return found


def pictures_of(scenes: list[Scene]) -> Tensor:
    """Return the drawn scenes, (B, 3, 128, 128) in -1..1."""
    return to_tensor(np.stack([np.asarray(render(scene)) for scene in scenes]))


def lesson(generator: torch.Generator) -> list[Scene]:
    """Return the scenes of a batch: `SCENES` of each individual side by side, look-alikes in blocks of `ALIKE`."""
    rng = random.Random(int(torch.randint(2**60, (1,), generator=generator)))
    found = []
    for _ in range(GROUPS):
        for who in look_alikes(split_seed("pretraining", rng.randrange(90_000_000)), ALIKE):
            found += [Scene(who, random_setting(rng)) for _ in range(SCENES)]
    return found


def judge_loss(reading: Reading, truth: Truth) -> Tensor:
    """Return how badly words and numbers are read and each individual is found again among look-alikes."""
    words = [
        functional.cross_entropy(reading.scores[name], truth.words[:, column])
        for column, name in enumerate(ATTRIBUTES)
        if bool((truth.words[:, column] != _UNKNOWN).any())
    ]
    error = (reading.numbers - truth.numbers).pow(2) * truth.seen
    numbers = error.sum() / truth.seen.sum()
    rows = min(len(reading.vectors), GROUPS * ALIKE * SCENES)  # those behind them are alone
    vectors = reading.vectors[:rows]
    likeness = vectors @ vectors.T / _TEMPERATURE - 1e4 * torch.eye(rows)
    same = functional.cross_entropy(likeness, torch.arange(rows) ^ 1)
    return torch.stack(words).mean() + 2 * numbers + 0.4 * same


def train_judge(folder: Path, budget: Budget, name: str, bfloat16: bool = False) -> None:
    """Train (or take up) judge "a" or "b"; afterwards it lies in folder/judges."""
    torch.manual_seed(11 if name == "a" else 23)
    path = folder / "judges" / f"judge_{name}.safetensors"
    judge = open_judge(name, path).requires_grad_(True) if path.exists() else new_judge(name)
    trainer = Trainer(judge, folder / f"judge-{name}.pt", 1e-3, seed=11 if name == "a" else 23)

    decoded = round_trips(folder)

    def loss_of(_step: int, generator: torch.Generator) -> Tensor:
        scenes = lesson(generator)
        images = pictures_of(scenes)
        if decoded:
            rows = torch.randint(len(decoded[1]), (DECODED,), generator=generator).tolist()
            scenes += [decoded[0].scene(row) for row in rows]
            images = torch.cat([images, to_tensor(decoded[1][rows])])
        strength = torch.rand(len(images), 1, 1, 1, generator=generator) * 0.1
        images = images + strength * torch.randn(images.shape, generator=generator)
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            reading = judge(images.contiguous(memory_format=torch.channels_last))
        return judge_loss(reading, truth_of(scenes))

    def on_save() -> None:
        save_judge(trainer.average, path)
        found = measure(trainer.average, "development", MEASURED)
        print(f"judge {name}: " + ", ".join(f"{key} {value:.3f}" for key, value in found.items()), flush=True)

    trainer.train(loss_of, budget, on_save, save_minutes=5)


@torch.no_grad()
def round_trips(folder: Path) -> tuple[Pictures, NDArray[np.uint8]] | None:
    """Return drawings and what the VAE makes of the first of them, (N, 128, 128, 3); None as long as there is no VAE.

    They are made once and kept beside the drawings.
    """
    if not (folder / "vae").exists() or not (folder / "pretraining-images.npy").exists():
        return None
    path, pictures = folder / "round-trips.npy", open_pictures(folder, "pretraining")
    if not path.exists():
        vae = open_vae(folder)
        count, found = min(ROUND_TRIPS, len(pictures)), []
        for first in range(0, count, 20):
            images = to_tensor(pictures.images[first : min(first + 20, count)])
            found.append(to_bytes(vae.decode(vae.encode(images).latent_dist.mode()).sample))
        np.save(path, np.concatenate(found))
    decoded: NDArray[np.uint8] = np.load(path, mmap_mode="r")
    return pictures, decoded


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
            vectors = judge(pictures_of(row)).vectors
            found_again.append(int((vectors[1:] @ vectors[0]).argmax()) == 0)
            scenes.append(row[0])
    reading, truth = judge(pictures_of(scenes)), truth_of(scenes)
    right = [
        (reading.scores[name].argmax(1) == truth.words[:, column])[truth.words[:, column] != _UNKNOWN].float().mean()
        for column, name in enumerate(ATTRIBUTES)
    ]
    columns = len(LOOKS)
    seen = truth.seen[:, :columns]
    pair = torch.stack([reading.numbers[:, :columns][seen], truth.numbers[:, :columns][seen]])
    found = {key: float(np.mean(values)) for key, values in again.items()}
    return found | {"words": float(torch.stack(right).nanmean()), "numbers": float(torch.corrcoef(pair)[0, 1])}


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
