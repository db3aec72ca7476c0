"""The two networks that read a picture of the menagerie: words, unworded looks as numbers, and who it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from core.diffusion.prior import LookingEncoder, residual_encoder
from pretrain.judging.network import load_weights
from pretrain.menagerie.captions import ATTRIBUTES
from pretrain.menagerie.truth import NUMBERS

WIDTH = 64  # of an individual's vector
FEATURES = LookingEncoder.SEEN  # channels of the features at 8x8 that the UNet may be aligned with
READER = (48, 128)  # the widths of judge A, and of what a tail prior sees with


@dataclass(frozen=True)
class Reading:
    """What a judge says of B pictures.

    Scores by attribute, `NUMBERS` (B, numbers), unit vectors (B, WIDTH), scores of `DETAILS` (B, details, 32, 32).
    """

    scores: dict[str, Tensor]
    numbers: Tensor
    vectors: Tensor
    details: Tensor

    def words(self) -> list[dict[str, str]]:
        """Return the likeliest value of every attribute of each picture."""
        best = {name: score.argmax(1).tolist() for name, score in self.scores.items()}
        return [{name: ATTRIBUTES[name][best[name][row]] for name in ATTRIBUTES} for row in range(len(self.vectors))]


class Bottleneck(nn.Module):
    """Fewer channels, a convolution over places that may be spread wide, all channels again, around a shortcut."""

    def __init__(self, width: int, spread: int) -> None:
        super().__init__()
        inner = width // 2
        self.inner = nn.Sequential(
            nn.GroupNorm(1, width), nn.Conv2d(width, inner, 1), nn.GELU(),
            nn.Conv2d(inner, inner, 3, padding=spread, dilation=spread), nn.GELU(), nn.Conv2d(inner, width, 1),
        )  # fmt: skip

    def forward(self, features: Tensor) -> Tensor:
        """(B, width, h, w) to the same."""
        result: Tensor = features + self.inner(features)
        return result


class Judge(nn.Module):
    """An encoder, and readers of what it makes of pictures."""

    def __init__(self, encoder: LookingEncoder) -> None:
        super().__init__()
        self.encoder = encoder
        inner = LookingEncoder.FEATURES
        self.readers = nn.ModuleDict({name: nn.Linear(inner, len(values)) for name, values in ATTRIBUTES.items()})
        self.numbers = nn.Linear(inner, len(NUMBERS))
        # of the numbers alone: with more it learned by heart whom it was taught (51 % known again, 39 % of others)
        self.identity = nn.Linear(len(NUMBERS), WIDTH)
        nn.init.eye_(self.identity.weight)  # distances between unit vectors are those between numbers, to begin with
        nn.init.zeros_(self.identity.bias[: len(NUMBERS)])
        nn.init.constant_(self.identity.bias[len(NUMBERS) :], 2.0)

    def forward(self, images: Tensor) -> Reading:
        """images: (B, 3, 128, 128) in -1..1."""
        inner, details = self.encoder.read(images)
        scores = {name: reader(inner).float() for name, reader in self.readers.items()}
        numbers = self.numbers(inner).float()
        vectors = self.identity(numbers).float()
        return Reading(scores, numbers, functional.normalize(vectors, dim=1), details.float())

    def recognize(self, images: Tensor) -> Tensor:
        """Return unit vectors (B, WIDTH) of who is shown, each read with its mirror image: the same animal, read anew.

        Of 48 individuals in another scene that found 56 % in place of 44 among look-alikes.
        """
        return functional.normalize(self(images).vectors + self(images.flip(-1)).vectors, dim=1)

    def features(self, images: Tensor) -> Tensor:
        """(B, 3, 128, 128) to what is seen where, (B, FEATURES, 8, 8): what the UNet may be aligned with."""
        return self.encoder.seen(images)

    @torch.no_grad()
    def read(self, images: Tensor) -> list[dict[str, str]]:
        """images: (B, 3, 128, 128) in -1..1; the likeliest value of every attribute of each picture."""
        reading: Reading = self(images)
        return reading.words()


def judge_a() -> Judge:
    """Return the judge for tuning and choosing: a residual network that goes down in steps of two."""
    return Judge(residual_encoder(READER))


def judge_b() -> Judge:
    """Return the judge that only reports: patches of 4 pixels, bottlenecks, some of which see farther at once."""
    stem = nn.Sequential(nn.Conv2d(3, 80, 4, stride=4), Bottleneck(80, 1))
    deep = nn.Sequential(
        nn.Conv2d(80, 160, 2, stride=2), *(Bottleneck(160, spread) for spread in (1, 2, 1, 2)), nn.GroupNorm(1, 160)
    )
    refine = nn.Sequential(*(Bottleneck(80, 1) for _ in range(3)))
    return Judge(LookingEncoder(stem, deep, refine, 80, 160))


def reader() -> Judge:
    """Return what a tail prior sees with, and its readers: as judge A, with whose weights it may begin."""
    return judge_a()


def new_judge(name: str) -> Judge:
    """Return judge "a" or "b", or the "reader", with fresh weights."""
    return {"a": judge_a, "b": judge_b, "reader": reader}[name]()


def open_judge(name: str, path: Path) -> Judge:
    """Return judge "a" or "b" with the weights in a file, frozen, float32."""
    judge = new_judge(name)
    load_weights(judge, path)
    return judge
