"""What the judges learn from: look-alikes drawn once and kept, and some of them as the VAE gives them back."""

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
from torch.nn import functional

from pretrain.drawing.pictures import to_tensor
from pretrain.judging.round_trips import ROUND_TRIPS_FILE, round_trips
from pretrain.menagerie.captions import ATTRIBUTES
from pretrain.menagerie.drawing.pen import MAP
from pretrain.menagerie.drawing.render import render_with_details
from pretrain.menagerie.individual import look_alike, random_individual
from pretrain.menagerie.scenes import Scene, random_setting, split_seed
from pretrain.menagerie.truth import UNKNOWN, Truth, joined, truth_of
from pretrain.training.parallel import shares, spread

GROUPS, ALIKE, SCENES = 14_000, 3, 2  # look-alikes that are drawn: groups, individuals in each, scenes of each
IN_BATCH, DECODED = 8, 4  # a batch: groups, round trips of other groups' pictures
DETAIL = 32  # the side of the maps of details that judges are taught
_FIRST = 41_000_000  # the seeds of the groups: far behind those of the drawings
_NOISE = 0.05
_ZOOM, _SHIFT = 0.12, 0.12  # how much larger or smaller, how far (of half a picture) to a side a picture is moved


def group_scenes(index: int) -> list[Scene]:
    """Return the scenes of the index-th group: `SCENES` of each of its look-alikes side by side.

    None of them is of a named kind, as those whom judges are asked about are not: with half of them of 320 kinds, a
    judge knew the kind in place of reading the looks (of free individuals it read 17 % of their variance, of the
    others 31).
    """
    rng = random.Random(split_seed("pretraining", _FIRST + index) + 0.0625)
    who = random_individual(rng)
    group = [who, *(look_alike(who, rng) for _ in range(ALIKE - 1))]
    return [Scene(one, random_setting(rng)) for one in group for _ in range(SCENES)]


def draw_groups(folder: Path, processes: int) -> None:
    """Draw the groups of look-alikes into `folder`, unless they are there."""
    path, of_details = _groups_path(folder), _details_path(folder)
    if path.exists() and of_details.exists() and len(np.load(path, mmap_mode="r")) == GROUPS:
        return
    for made_of_them in (_truth_path(folder), folder / ROUND_TRIPS_FILE):
        made_of_them.unlink(missing_ok=True)
    unfinished = path.with_suffix(".unfinished")
    open_memmap(unfinished, "w+", np.uint8, (GROUPS, ALIKE * SCENES, 128, 128, 3)).flush()
    details = spread(partial(_draw_groups, unfinished), shares(GROUPS, processes), processes)
    with of_details.with_suffix(".unfinished").open("wb") as file:
        np.save(file, np.concatenate(details))
    of_details.with_suffix(".unfinished").replace(of_details)
    unfinished.replace(path)


def _draw_groups(path: Path, which: range) -> NDArray[np.uint8]:
    """Draw these groups into the array at `path`; returns what is where, (N, ALIKE * SCENES, DETAIL, DETAIL)."""
    target, details = np.load(path, mmap_mode="r+"), []
    for index in which:
        drawn = [render_with_details(scene) for scene in group_scenes(index)]
        target[index] = np.stack([np.asarray(image) for image, _ in drawn])
        details.append(np.stack([sampled(seen) for _, seen in drawn]))
    return np.stack(details)


def sampled(details: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a map of details as judges are taught it, (DETAIL, DETAIL)."""
    step = MAP // DETAIL
    return details[step // 2 :: step, step // 2 :: step]


@dataclass(frozen=True)
class Lesson:
    """A batch: pictures (B, 3, 128, 128) and what they show; the first rows are `groups` groups of look-alikes.

    `details`: what of the animal is where, (B, DETAIL, DETAIL).
    """

    images: Tensor
    truth: Truth
    details: Tensor
    groups: int


@dataclass(frozen=True)
class Lessons:
    """All that there is to learn from. `images`: (groups, ALIKE * SCENES, 128, 128, 3); the truth is flat."""

    images: NDArray[np.uint8]
    details: NDArray[np.uint8]
    truth: Truth
    decoded: NDArray[np.uint8]  # what the VAE makes of the first pictures, (N, 128, 128, 3)

    def batch(self, generator: torch.Generator, processes: int = 1) -> Lesson:
        """Return a batch, or one process' part of it.

        Half of the pictures are mirrored, which is the same animal that faces the other side, and half are moved: of
        pictures that it had seen eight times a judge read the numbers with an error of .156, of others with .167.
        """
        each, count = ALIKE * SCENES, IN_BATCH // processes
        groups = _drawn(len(self.images), count, generator)
        again = _drawn(len(self.decoded), DECODED // processes, generator)
        rows = [group * each + row for group in groups for row in range(each)] + again
        images = to_tensor(np.concatenate([self.images[groups].reshape(-1, 128, 128, 3), self.decoded[again]]))
        details = torch.from_numpy(self.details.reshape(-1, DETAIL, DETAIL)[rows].astype(np.int64))
        mirrored = torch.rand(len(images), generator=generator) < 0.5
        images[mirrored], details[mirrored] = images[mirrored].flip(-1), details[mirrored].flip(-1)
        moved = torch.rand(len(images), generator=generator) < 0.5
        images[moved], details[moved] = moved_alike(images[moved], details[moved], generator)
        strength = torch.rand(len(images), 1, 1, 1, generator=generator) * _NOISE
        images = images + strength * torch.randn(images.shape, generator=generator)
        return Lesson(images, mirrored_alike(self.truth.rows(rows), mirrored), details, count)


def _drawn(among: int, count: int, generator: torch.Generator) -> list[int]:
    found: list[int] = torch.randint(among, (count,), generator=generator).tolist()
    return found


def moved_alike(images: Tensor, details: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return pictures (B, 3, h, w) and their details (B, DETAIL, DETAIL) shifted and zoomed, each in its own way."""
    if not len(images):
        return images, details
    amount = 2 * torch.rand(len(images), 3, generator=generator, device=images.device) - 1
    how = torch.zeros(len(images), 2, 3, device=images.device)
    how[:, 0, 0] = how[:, 1, 1] = 1 + _ZOOM * amount[:, 0]
    how[:, :, 2] = _SHIFT * amount[:, 1:]
    result = []
    for what, mode, beyond in ((images, "bilinear", "border"), (details[:, None].float(), "nearest", "zeros")):
        grid = functional.affine_grid(how, list(what.shape), align_corners=False)
        result.append(functional.grid_sample(what, grid, mode, beyond, align_corners=False))
    return result[0], result[1][:, 0].round().long()


def mirrored_alike(truth: Truth, which: Tensor) -> Truth:
    """Return the truth of pictures of which those at `which`, (B,), are mirrored: only the side is another."""
    words, side = truth.words.clone(), list(ATTRIBUTES).index("side")
    known = which & (words[:, side] != UNKNOWN)
    words[:, side] = torch.where(known, 1 - words[:, side], words[:, side])
    return Truth(words, truth.numbers, truth.seen)


def open_lessons(folder: Path, processes: int = 1) -> Lessons:
    """Return everything drawn, and draw what is not there yet; what it shows is worked out once and kept."""
    draw_groups(folder, processes)
    images = np.load(_groups_path(folder), mmap_mode="r")
    path = _truth_path(folder)
    if not path.exists():
        truth = joined(*(truth_of(group_scenes(index)) for index in range(len(images))))
        torch.save([truth.words, truth.numbers, truth.seen], path)
    truth = Truth(*torch.load(path, weights_only=True))
    decoded = round_trips(folder, images.reshape(-1, 128, 128, 3))
    return Lessons(images, np.load(_details_path(folder)), truth, decoded)


def _truth_path(folder: Path) -> Path:
    return folder / "look-alikes-truth.pt"


def _details_path(folder: Path) -> Path:
    return folder / "look-alikes-details.npy"


def _groups_path(folder: Path) -> Path:
    return folder / "look-alikes.npy"
