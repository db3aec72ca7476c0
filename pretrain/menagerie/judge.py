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
from pretrain.menagerie.truth import NUMBERS

WIDTH = 64  # of an individual's vector
FEATURES = 32  # channels of the features at 8x8 that the UNet may be aligned with
_PLACES, _SEEN = 24, 48  # where a judge looks in a picture, and what it sees at each of them


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


class Looking(nn.Module):
    """Looks at some places of a picture, wherever what it looks for is, and tells what is there, where and how large.

    (B, channels, h, w) to (B, places * (seen + 4)). An animal stands anywhere in a picture: a dense layer over all
    positions would have to learn each of its parts at each of them.
    """

    def __init__(self, channels: int, places: int = _PLACES, seen: int = _SEEN) -> None:
        super().__init__()
        self.where = nn.Conv2d(channels, places, 1)
        self.what = nn.Conv2d(channels, seen, 1)

    def forward(self, features: Tensor) -> Tensor:
        """See the class."""
        height, width = features.shape[2:]
        looked_at = self.where(features).flatten(2).float().softmax(2)
        down, right = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
        grid = torch.stack([right, down, right**2, down**2]).expand(len(features), -1, -1, -1)
        told = torch.cat([self.what(features).float(), grid], 1).flatten(2)
        found: Tensor = looked_at @ told.transpose(1, 2)
        return found.flatten(1)


class Judge(nn.Module):
    """A body that ends in features (B, channels, 16, 16), and readers of them."""

    def __init__(self, body: nn.Module, channels: int) -> None:
        super().__init__()
        self.body = body
        self.looking = Looking(channels)
        self.everywhere = nn.Sequential(nn.Conv2d(channels, FEATURES, 1), nn.AvgPool2d(2))
        inner = _PLACES * (_SEEN + 4) + FEATURES * 64
        self.dense = nn.Sequential(
            nn.LayerNorm(inner), nn.Linear(inner, 384), nn.GELU(), nn.Linear(384, 320), nn.GELU()
        )
        self.readers = nn.ModuleDict({name: nn.Linear(320, len(values)) for name, values in ATTRIBUTES.items()})
        self.numbers = nn.Linear(320, len(NUMBERS))
        self.identity = nn.Linear(320 + len(NUMBERS), WIDTH)

    def forward(self, images: Tensor) -> Reading:
        """images: (B, 3, 128, 128) in -1..1."""
        features = self.body(images)
        inner = self.dense(torch.cat([self.looking(features), self.everywhere(features).float().flatten(1)], 1))
        scores = {name: reader(inner).float() for name, reader in self.readers.items()}
        numbers = self.numbers(inner).float()
        vectors = self.identity(torch.cat([inner.float(), numbers], 1)).float()
        return Reading(scores, numbers, functional.normalize(vectors, dim=1))

    def features(self, images: Tensor) -> Tensor:
        """(B, 3, 128, 128) to what is seen where, (B, FEATURES, 8, 8): what the UNet may be aligned with."""
        seen: Tensor = self.everywhere(self.body(images))
        return seen

    @torch.no_grad()
    def read(self, images: Tensor) -> list[dict[str, str]]:
        """images: (B, 3, 128, 128) in -1..1; the likeliest value of every attribute of each picture."""
        reading: Reading = self(images)
        return reading.words()


def judge_a() -> Judge:
    """Return the judge for tuning and choosing: a residual network that goes down in steps of two."""
    return Judge(nn.Sequential(
        nn.PixelUnshuffle(2), nn.Conv2d(12, 48, 5, stride=2, padding=2), nn.GroupNorm(8, 48), nn.ReLU(),
        nn.Conv2d(48, 96, 3, stride=2, padding=1), Residual(96, nn.ReLU), Residual(96, nn.ReLU),
        nn.GroupNorm(8, 96), nn.ReLU(),
    ), 96)  # fmt: skip


def judge_b() -> Judge:
    """Return the judge that only reports: patches of 4 pixels, mixed over places and channels in turn."""
    return Judge(nn.Sequential(
        nn.Conv2d(3, 64, 4, stride=4), Mixing(64),
        nn.Conv2d(64, 128, 2, stride=2), Mixing(128), Mixing(128), Mixing(128), nn.GroupNorm(1, 128),
    ), 128)  # fmt: skip


def new_judge(name: str) -> Judge:
    """Return judge "a" or "b" with fresh weights."""
    return {"a": judge_a, "b": judge_b}[name]()


def open_judge(name: str, path: Path) -> Judge:
    """Return judge "a" or "b" with the weights in a file, frozen, float32."""
    judge = new_judge(name)
    load_weights(judge, path)
    return judge
