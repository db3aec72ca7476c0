"""The two networks that read a picture of the menagerie: words, unworded looks as numbers, and who it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from core.diffusion.prior import Residual
from pretrain.judging.network import Mixing, load_weights
from pretrain.menagerie.captions import ATTRIBUTES
from pretrain.menagerie.looks import LOOKS

WIDTH = 64  # of an individual's vector
FEATURES = 32  # channels of the features at 8x8 that the UNet may be aligned with
COLORS = ("coat", "second", "third", "iris", "wear")
NUMBERS = (*LOOKS, *(f"{color}_{axis}" for color in COLORS for axis in ("light", "red", "yellow")))


@dataclass(frozen=True)
class Reading:
    """What a judge says of B pictures: scores by attribute, `NUMBERS` (B, numbers), unit vectors (B, WIDTH)."""

    scores: dict[str, Tensor]
    numbers: Tensor
    vectors: Tensor

    def words(self) -> list[dict[str, str]]:
        """Return the likeliest value of every attribute of each picture."""
        best = {name: score.argmax(1).tolist() for name, score in self.scores.items()}
        return [{name: ATTRIBUTES[name][best[name][row]] for name in ATTRIBUTES} for row in range(len(self.vectors))]


class Judge(nn.Module):
    """A body that ends in features (B, FEATURES, 8, 8), and readers of them."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body
        self.dense = nn.Sequential(nn.GELU(), nn.Flatten(), nn.Linear(FEATURES * 64, 320), nn.GELU())
        self.readers = nn.ModuleDict({name: nn.Linear(320, len(values)) for name, values in ATTRIBUTES.items()})
        self.numbers = nn.Linear(320, len(NUMBERS))
        self.identity = nn.Linear(320 + len(NUMBERS), WIDTH)

    def forward(self, images: Tensor) -> Reading:
        """images: (B, 3, 128, 128) in -1..1."""
        inner = self.dense(self.body(images))
        scores = {name: reader(inner).float() for name, reader in self.readers.items()}
        numbers = self.numbers(inner).float()
        vectors = self.identity(torch.cat([inner.float(), numbers], 1)).float()
        return Reading(scores, numbers, functional.normalize(vectors, dim=1))

    @torch.no_grad()
    def read(self, images: Tensor) -> list[dict[str, str]]:
        """images: (B, 3, 128, 128) in -1..1; the likeliest value of every attribute of each picture."""
        reading: Reading = self(images)
        return reading.words()


def judge_a() -> Judge:
    """Return the judge for tuning and choosing: a residual network that goes down in steps of two."""
    return Judge(nn.Sequential(
        nn.Conv2d(3, 24, 5, stride=2, padding=2), nn.GroupNorm(8, 24), nn.ReLU(),
        nn.Conv2d(24, 48, 3, stride=2, padding=1), Residual(48, nn.ReLU),
        nn.Conv2d(48, 96, 3, stride=2, padding=1), Residual(96, nn.ReLU),
        nn.Conv2d(96, 128, 3, stride=2, padding=1), Residual(128, nn.ReLU), Residual(128, nn.ReLU),
        nn.GroupNorm(8, 128), nn.ReLU(),
        nn.Conv2d(128, FEATURES, 1),
    ))  # fmt: skip


def judge_b() -> Judge:
    """Return the judge that only reports: patches of 4 pixels, mixed over places and channels in turn."""
    return Judge(nn.Sequential(
        nn.Conv2d(3, 48, 4, stride=4), Mixing(48),
        nn.Conv2d(48, 96, 2, stride=2), Mixing(96), Mixing(96),
        nn.Conv2d(96, 160, 2, stride=2), Mixing(160), Mixing(160), nn.GroupNorm(1, 160),
        nn.Conv2d(160, FEATURES, 1),
    ))  # fmt: skip


def new_judge(name: str) -> Judge:
    """Return judge "a" or "b" with fresh weights."""
    return {"a": judge_a, "b": judge_b}[name]()


def open_judge(name: str, path: Path) -> Judge:
    """Return judge "a" or "b" with the weights in a file, frozen, float32."""
    judge = new_judge(name)
    load_weights(judge, path)
    return judge
