"""What the judges learn from: look-alikes drawn once and kept, drawings of anybody, round trips through the VAE."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from torch import Tensor

from pretrain.drawing.pictures import Pictures, open_pictures, to_tensor
from pretrain.judging.round_trips import round_trips
from pretrain.menagerie.captions import ATTRIBUTES
from pretrain.menagerie.drawing.pen import GRID
from pretrain.menagerie.drawing.render import render_with_parts
from pretrain.menagerie.scenes import Scene, look_alikes, random_setting, split_seed
from pretrain.menagerie.truth import UNKNOWN, Truth, joined, truth_of
from pretrain.training.parallel import shares, spread

GROUPS, ALIKE, SCENES = 5000, 6, 2  # look-alikes that are drawn: groups, individuals in each, scenes of each
IN_BATCH, ANYBODY, DECODED = 2, 20, 4  # a batch: groups, drawings of anybody, round trips
_FIRST = 40_000_000  # the seeds of the groups: far behind those of the drawings
_NOISE = 0.05


def group_scenes(index: int) -> list[Scene]:
    """Return the scenes of the index-th group: `SCENES` of each of its look-alikes side by side."""
    seed = split_seed("pretraining", _FIRST + index)
    rng = random.Random(seed + 0.0625)
    return [Scene(who, random_setting(rng)) for who in look_alikes(seed, ALIKE) for _ in range(SCENES)]


def draw_groups(folder: Path, processes: int) -> None:
    """Draw the groups of look-alikes into `folder`, unless they are there."""
    path, of_parts = _groups_path(folder), _parts_path(folder)
    if path.exists() and of_parts.exists():
        return
    unfinished = path.with_suffix(".unfinished")
    open_memmap(unfinished, "w+", np.uint8, (GROUPS, ALIKE * SCENES, 128, 128, 3)).flush()
    parts = spread(partial(_draw_groups, unfinished), shares(GROUPS, processes), processes)
    with of_parts.with_suffix(".unfinished").open("wb") as file:
        np.save(file, np.concatenate(parts))
    of_parts.with_suffix(".unfinished").replace(of_parts)
    unfinished.replace(path)


def _draw_groups(path: Path, which: range) -> NDArray[np.uint8]:
    """Draw these groups into the array at `path`; returns what part of the animals is where, (N, 12, 16, 16)."""
    target, parts = np.load(path, mmap_mode="r+"), []
    for index in which:
        drawn = [render_with_parts(scene) for scene in group_scenes(index)]
        target[index] = np.stack([np.asarray(image) for image, _ in drawn])
        parts.append(np.stack([seen for _, seen in drawn]))
    return np.stack(parts)


@dataclass(frozen=True)
class Lesson:
    """A batch: pictures (B, 3, 128, 128) and what they show; the first rows are `groups` groups of look-alikes.

    `parts`: which part of the animal is where, (B, 16, 16).
    """

    images: Tensor
    truth: Truth
    parts: Tensor
    groups: int


@dataclass(frozen=True)
class Lessons:
    """All that there is to learn from. `grouped`: (groups, ALIKE * SCENES, 128, 128, 3); truths are flat."""

    grouped: NDArray[np.uint8]
    grouped_parts: NDArray[np.uint8]
    grouped_truth: Truth
    anybody: Pictures
    decoded: NDArray[np.uint8]
    anybody_truth: Truth

    def batch(self, generator: torch.Generator) -> Lesson:
        """Return a batch; half of the pictures are mirrored, which is the same animal that faces the other side."""
        which = _drawn(len(self.grouped), IN_BATCH, generator)
        rows = _drawn(len(self.anybody), ANYBODY, generator)
        again = _drawn(len(self.decoded), DECODED, generator)
        pictures = [self.grouped[which].reshape(-1, 128, 128, 3), self.anybody.images[rows], self.decoded[again]]
        images = to_tensor(np.concatenate(pictures))
        grouped = self.grouped_parts[which].reshape(-1, GRID, GRID)
        parts = torch.from_numpy(np.concatenate([grouped, self.anybody.parts[rows + again]]).astype(np.int64))
        each = ALIKE * SCENES
        truth = joined(
            self.grouped_truth.rows([group * each + row for group in which for row in range(each)]),
            self.anybody_truth.rows(rows + again),
        )
        mirrored = torch.rand(len(images), generator=generator) < 0.5
        images[mirrored], parts[mirrored] = images[mirrored].flip(-1), parts[mirrored].flip(-1)
        strength = torch.rand(len(images), 1, 1, 1, generator=generator) * _NOISE
        images = images + strength * torch.randn(images.shape, generator=generator)
        return Lesson(images, _mirrored(truth, mirrored), parts, IN_BATCH)


def _drawn(among: int, count: int, generator: torch.Generator) -> list[int]:
    found: list[int] = torch.randint(among, (count,), generator=generator).tolist()
    return found


def _mirrored(truth: Truth, which: Tensor) -> Truth:
    """Return the truth of pictures of which those at `which`, (B,), are mirrored: only the side is another."""
    words, side = truth.words.clone(), list(ATTRIBUTES).index("side")
    known = which & (words[:, side] != UNKNOWN)
    words[known, side] = 1 - words[known, side]
    return Truth(words, truth.numbers, truth.seen)


def open_lessons(folder: Path, processes: int = 1) -> Lessons:
    """Return everything drawn, and draw what is not there yet; what it shows is worked out once and kept."""
    draw_groups(folder, processes)
    anybody = open_pictures(folder, "pretraining")
    grouped = np.load(_groups_path(folder), mmap_mode="r")
    path = folder / "judging-truth.pt"
    if not path.exists():
        of_groups = joined(*(truth_of(group_scenes(index)) for index in range(len(grouped))))
        of_anybody = joined(*(truth_of([anybody.scene(index)]) for index in range(len(anybody))))
        torch.save([[of.words, of.numbers, of.seen] for of in (of_groups, of_anybody)], path)
    of_groups, of_anybody = (Truth(*tensors) for tensors in torch.load(path, weights_only=True))
    parts = np.load(_parts_path(folder))
    return Lessons(grouped, parts, of_groups, anybody, round_trips(folder), of_anybody)


def _parts_path(folder: Path) -> Path:
    return folder / "look-alikes-parts.npy"


def _groups_path(folder: Path) -> Path:
    return folder / "look-alikes.npy"
