"""Drawn pictures on disk, and pictures as tensors."""

import multiprocessing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from torch import Tensor

from pretrain.worlds import World, world_of

_CHUNK = 500


@dataclass(frozen=True)
class Pictures:
    """Drawn pictures of one split on disk, mapped into memory.

    images: (N, size, size, 3) bytes; parts: (N, 16, 16) indices into `pen.PARTS`.
    """

    world: World
    split: str
    images: NDArray[np.uint8]
    parts: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.images)

    def scene(self, index: int) -> Any:
        """Return the scene that picture `index` shows."""
        return self.world.scene(self.split, index)


def draw_pictures(folder: Path, split: str, count: int, processes: int = 2) -> Pictures:
    """Draw the first `count` pictures of a split into `folder`, unless they are there."""
    images, parts = _paths(folder, split)
    size = world_of(folder).size
    if not images.exists() or len(np.load(images, mmap_mode="r")) < count:
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = [path.with_suffix(".unfinished") for path in (images, parts)]
        open_memmap(unfinished[0], "w+", np.uint8, (count, size, size, 3)).flush()
        open_memmap(unfinished[1], "w+", np.uint8, (count, 16, 16)).flush()
        jobs = [(unfinished[0], unfinished[1], split, first) for first in range(0, count, _CHUNK)]
        with multiprocessing.get_context("spawn").Pool(processes) as pool:
            pool.map(_draw_chunk, jobs, chunksize=1)
        unfinished[1].replace(parts)
        unfinished[0].replace(images)
    return open_pictures(folder, split)


def open_pictures(folder: Path, split: str) -> Pictures:
    """Return the pictures drawn before."""
    images, parts = _paths(folder, split)
    return Pictures(world_of(folder), split, np.load(images, mmap_mode="r"), np.load(parts, mmap_mode="r"))


def _paths(folder: Path, split: str) -> tuple[Path, Path]:
    return folder / f"{split}-images.npy", folder / f"{split}-parts.npy"


def _draw_chunk(job: tuple[Path, Path, str, int]) -> None:
    images, parts = np.load(job[0], mmap_mode="r+"), np.load(job[1], mmap_mode="r+")
    world = world_of(job[0].parent)
    for index in range(job[3], min(job[3] + _CHUNK, len(images))):
        picture, seen = world.draw(world.scene(job[2], index))
        images[index], parts[index] = np.asarray(picture), seen


def to_tensor(images: NDArray[np.uint8]) -> Tensor:
    """(B, H, W, 3) bytes to (B, 3, H, W) floats in -1..1."""
    return torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).float().div_(127.5).sub_(1).contiguous()


def to_bytes(images: Tensor) -> NDArray[np.uint8]:
    """(B, 3, H, W) floats in -1..1 to (B, H, W, 3) bytes."""
    scaled = images.detach().clamp(-1, 1).add(1).mul(127.5).round().byte()
    return np.ascontiguousarray(scaled.permute(0, 2, 3, 1).numpy())
