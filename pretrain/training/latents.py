"""Pictures and captions, encoded once for the UNet."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from torch import Tensor

from pretrain.captions.tokenizer import open_tokenizer
from pretrain.drawing.pictures import Pictures, open_pictures, to_tensor
from pretrain.menagerie.outside import OUTSIDE, UNKNOWN_PART
from pretrain.training.models import Vae
from pretrain.training.parallel import has_bfloat16, shares, spread
from pretrain.training.text import tokens
from pretrain.training.vae import open_vae

CAPTIONS = 6  # a picture: so many rich ones, the rest plain
RICH = 4


@dataclass(frozen=True)
class Latents:
    """What the UNet learns from: latents (N, channels, 16, 16), tokens (N, CAPTIONS, tokens), parts (N, 16, 16)."""

    latents: NDArray[np.float16]
    tokens: NDArray[np.int16]
    parts: NDArray[np.uint8]
    judged: NDArray[np.float16] | None = None  # a judge's features of the pictures, (N, C, 8, 8)
    looks: NDArray[np.float32] | None = None  # all looks of the animals, (N, numbers); NaN where nobody knows them

    def __len__(self) -> int:
        return len(self.latents)

    def batch(self, rows: list[int], which: list[int]) -> tuple[Tensor, Tensor, Tensor]:
        """Latents (B, channels, 16, 16), tokens of each row's caption number `which` (B, tokens), parts (B, 16, 16)."""
        ids = self.tokens[rows, which].astype(np.int64)
        parts = self.parts[rows].astype(np.int64)
        parts[parts == UNKNOWN_PART] = -100  # what cross entropy leaves out
        return torch.from_numpy(self.latents[rows]).float(), torch.from_numpy(ids), torch.from_numpy(parts)

    def and_more(self, others: Latents) -> Latents:
        """Return these and others as one, the others behind."""
        return Latents(
            np.concatenate([self.latents, others.latents]),
            np.concatenate([self.tokens, others.tokens]),
            np.concatenate([self.parts, others.parts]),
            None if self.judged is None or others.judged is None else np.concatenate([self.judged, others.judged]),
            None if self.looks is None or others.looks is None else np.concatenate([self.looks, others.looks]),
        )

    def told(self, rows: list[int]) -> Tensor:
        """Return all looks of the animals in these pictures, (B, numbers); ValueError if their world tells none."""
        if self.looks is None:
            raise ValueError("the looks of these pictures' animals are not told")
        return torch.from_numpy(self.looks[rows])

    def judgement(self, rows: list[int]) -> Tensor:
        """Return a judge's features of these pictures, (B, C, 8, 8); ValueError if none were written."""
        if self.judged is None:
            raise ValueError("no judge has looked at these pictures")
        return torch.from_numpy(self.judged[rows]).float()


@torch.no_grad()
def encode(vae: Vae, images: Tensor) -> Tensor:
    """Return the scaled latents of a few pictures (B, 3, size, size), (B, C, 16, 16) float32.

    Pixel by pixel, where the CPU has it in bfloat16: seven times as fast as plain float32, and off by .005 of the
    latents' spread of 1.
    """
    vae = vae.to(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16, enabled=has_bfloat16()):
        means = vae.encode(images.to(memory_format=torch.channels_last)).latent_dist.mode()
    latents: Tensor = means.float() * vae.config.scaling_factor
    return latents


def encode_pictures(folder: Path, split: str, count: int, processes: int = 1, batch: int = 10) -> None:
    """Write the latents (posterior means) and captions of a split's first `count` pictures, unless they are there.

    A few at a time, which is fastest. A run that was stopped is taken up; latents of another VAE must be
    removed before.
    """
    pictures = open_pictures(folder, split)
    count = min(count, len(pictures))
    paths = _paths(folder, split)
    if paths[0].exists() and len(np.load(paths[0], mmap_mode="r")) >= count:
        return
    unfinished = paths[0].with_suffix(".unfinished")
    _begin(unfinished, (count, pictures.world.channels, 16, 16))
    firsts = [range(part * batch, count, processes * batch) for part in range(processes)]
    spread(partial(_encode_some, folder, split, unfinished, batch), firsts, processes)
    ids = spread(partial(_caption_tokens, folder, split), shares(count, processes), processes)
    np.save(paths[1], np.concatenate(ids))
    unfinished.replace(paths[0])


def _encode_some(folder: Path, split: str, path: Path, batch: int, firsts: range) -> None:
    """Write the latents of the batches that begin at `firsts` into the array at `path`, unless they are there."""
    pictures, vae, target = open_pictures(folder, split), open_vae(folder), np.load(path, mmap_mode="r+")
    for first in firsts:
        if target[first].any():  # a run that was stopped has encoded this batch
            continue
        encoded = encode(vae, to_tensor(pictures.images[first : min(first + batch, len(target))])).numpy()
        target[first + 1 : first + len(encoded)] = encoded[1:]
        target[first] = encoded[0]  # last: it says that the batch is there
    target.flush()


def _begin(path: Path, shape: tuple[int, ...]) -> None:
    """Leave what a stopped run of that shape has written, zeros where it had not come yet; else write zeros alone."""
    if not path.exists() or np.load(path, mmap_mode="r").shape != shape:
        open_memmap(path, "w+", np.float16, shape).flush()


def _caption_tokens(folder: Path, split: str, rows: range) -> NDArray[np.int16]:
    pictures, tokenizer = open_pictures(folder, split), open_tokenizer(folder)
    world = pictures.world
    ids = np.zeros((len(rows), CAPTIONS, world.max_tokens), np.int16)
    for place, index in enumerate(rows):
        scene, rng = pictures.scene(index), random.Random(index)
        texts = [world.caption(scene, rng).text for _ in range(RICH)]
        texts += [world.plain_caption(scene)] * (CAPTIONS - RICH)
        ids[place] = tokens(tokenizer, texts).numpy()
    return ids


def open_latents(folder: Path, split: str) -> Latents:
    """Return the latents written before, in memory."""
    latents, ids = (np.load(path) for path in _paths(folder, split))
    judged = _judged_path(folder, split)
    features = np.load(judged, mmap_mode="r") if judged.exists() else None
    pictures = open_pictures(folder, split)
    return Latents(latents, ids, np.array(pictures.parts[: len(latents)]), features, _looks(pictures, len(latents)))


def _looks(pictures: Pictures, count: int) -> NDArray[np.float32] | None:
    """Return all looks of the animals of the first pictures, (count, numbers), if their world tells them."""
    looks_of = pictures.world.looks_of
    if looks_of is None:
        return None
    unknown = [float("nan")] * sum(pictures.world.groups.values())
    return np.array([looks_of(pictures.scene(index)) or unknown for index in range(count)], np.float32)


def lessons(folder: Path) -> Latents:
    """Return all that the UNet learns from: our drawings, and those by others if there are any."""
    own = open_latents(folder, "pretraining")
    return own.and_more(open_latents(folder, OUTSIDE)) if _paths(folder, OUTSIDE)[0].exists() else own


@torch.no_grad()
def judge_pictures(
    folder: Path, split: str, features_of: Callable[[Tensor], Tensor], channels: int, batch: int = 50
) -> None:
    """Write what a judge, (B, 3, size, size) to (B, channels, 8, 8), makes of a split's pictures."""
    pictures = open_pictures(folder, split)
    target = np.empty((len(pictures), channels, 8, 8), np.float16)
    for first in range(0, len(pictures), batch):
        features = features_of(to_tensor(pictures.images[first : first + batch]))
        target[first : first + len(features)] = features.numpy()
    np.save(_judged_path(folder, split), target)


def _judged_path(folder: Path, split: str) -> Path:
    return folder / f"{split}-judged.npy"


def _paths(folder: Path, split: str) -> tuple[Path, Path]:
    return folder / f"{split}-latents.npy", folder / f"{split}-tokens.npy"
