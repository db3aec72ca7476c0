"""Networks that read a picture into one vector: densely over its places, or by looking at some of them."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

_GRID = 8  # where dense layers over all places begin
_LOOKING_SIZE = 128


class Residual(nn.Module):
    """Two 3x3 convolutions around a shortcut."""

    def __init__(self, channels: int, activation: type[nn.Module] = nn.SiLU) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            nn.GroupNorm(8, channels), activation(), nn.Conv2d(channels, channels, 3, padding=1),
            nn.GroupNorm(8, channels), activation(), nn.Conv2d(channels, channels, 3, padding=1),
        )  # fmt: skip

    def forward(self, features: Tensor) -> Tensor:
        """(B, channels, h, w) to the same."""
        result: Tensor = features + self.inner(features)
        return result


class PictureEncoder(nn.Module):
    """Reads pictures (B, 3, size, size) in -1..1 into vectors (B, features); size is 8 times a power of two."""

    def __init__(self, size: int, widths: tuple[int, ...], features: int) -> None:
        """`widths`: the channels after each halving of the picture, as many as lead from `size` to 8."""
        super().__init__()
        if size != _GRID << len(widths):
            raise ValueError(f"{len(widths)} halvings lead from {_GRID << len(widths)} pixels to {_GRID}, not {size}")
        layers: list[nn.Module] = [nn.Conv2d(3, widths[0], 5, stride=2, padding=2)]
        for before, after in pairwise(widths):
            layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), Residual(after)]
        self.body = nn.Sequential(*layers, nn.GroupNorm(8, widths[-1]), nn.SiLU(), nn.Conv2d(widths[-1], 32, 1))
        self.dense = nn.Sequential(nn.Flatten(), nn.Linear(32 * _GRID**2, features), nn.SiLU())

    def forward(self, images: Tensor) -> Tensor:
        """See the class."""
        vectors: Tensor = self.dense(self.body(images))
        return vectors


class Looking(nn.Module):
    """Looks at some places of a picture, wherever what it looks for is, and tells what is there, where and how large.

    (B, channels, h, w) to (B, places * (seen + 4)). An animal stands anywhere in a picture: a dense layer over all
    positions would have to learn each of its parts at each of them.
    """

    def __init__(self, channels: int, places: int, seen: int) -> None:
        super().__init__()
        self.where = nn.Conv2d(channels, places, 1)
        self.what = nn.Conv2d(channels, seen, 1)

    def forward(self, features: Tensor) -> Tensor:
        """See the class."""
        looked_at = self.where(features).flatten(2).to(_wide(features)).softmax(2)
        found: Tensor = looked_at @ _told(self.what(features)).transpose(1, 2)
        return found.flatten(1)


class Parts(nn.Module):
    """Tells which part of the subject is where, and of each part what it is like, where, how far it spreads, its share.

    (B, channels, h, w) to (B, parts * (seen + 5)) and scores (B, parts, h, w). Taught the scores, which pictures that
    are drawn come with, a network learns to read what is small in a tenth of the pictures.
    """

    def __init__(self, channels: int, parts: int, seen: int) -> None:
        super().__init__()
        self.which = nn.Conv2d(channels, parts, 1)
        self.what = nn.Conv2d(channels, seen, 1)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """See the class."""
        scores = self.which(features).to(_wide(features))
        likely = scores.softmax(1).flatten(2)
        share = likely.sum(2, keepdim=True)
        found = (likely / (share + 1e-3)) @ _told(self.what(features)).transpose(1, 2)
        return torch.cat([found, 10 * share / likely.shape[2]], 2).flatten(1), scores


class LookingEncoder(nn.Module):
    """Reads pictures (B, 3, size, size) into vectors (B, `FEATURES`): a body, what is seen at places, a dense end.

    `body` makes (B, channels, 16, 16) of them. The places are some that it chooses, and the subject's parts. Beside
    them it has a coarse view of the whole, `SEEN` channels at 8x8, which is also what a UNet may be aligned with.
    """

    FEATURES = 320
    SEEN = 32
    PARTS = 9
    PLACES, AT_EACH = 16, 48

    def __init__(self, body: nn.Module, channels: int) -> None:
        super().__init__()
        self.body = body
        self.looking = Looking(channels, self.PLACES, self.AT_EACH)
        self.parts = Parts(channels, self.PARTS, self.AT_EACH)
        self.everywhere = nn.Sequential(nn.Conv2d(channels, self.SEEN, 1), nn.AvgPool2d(2))
        inner = self.PLACES * (self.AT_EACH + 4) + self.PARTS * (self.AT_EACH + 5) + self.SEEN * _GRID**2
        self.dense = nn.Sequential(
            nn.LayerNorm(inner), nn.Linear(inner, 512), nn.GELU(), nn.Linear(512, self.FEATURES), nn.GELU()
        )

    def forward(self, images: Tensor) -> Tensor:
        """See the class."""
        return self.read(images)[0]

    def read(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return the vectors, and scores of which part is where, (B, PARTS, 16, 16)."""
        features = self.body(images)
        parts, scores = self.parts(features)
        whole = self.everywhere(features).flatten(1).to(_wide(features))
        vectors: Tensor = self.dense(torch.cat([self.looking(features), parts, whole], 1))
        return vectors, scores

    def seen(self, images: Tensor) -> Tensor:
        """(B, 3, 128, 128) to what is seen where, (B, SEEN, 8, 8)."""
        found: Tensor = self.everywhere(self.body(images))
        return found


def _told(what: Tensor) -> Tensor:
    """Return features (B, C, h, w) with each position's own place and its square, (B, C + 4, h * w)."""
    wide = _wide(what)
    lines = [torch.linspace(-1, 1, count, dtype=wide, device=what.device) for count in what.shape[2:]]
    down, right = torch.meshgrid(*lines, indexing="ij")
    grid = torch.stack([right, down, right**2, down**2]).expand(len(what), -1, -1, -1)
    return torch.cat([what.to(wide), grid], 1).flatten(2)


def _wide(features: Tensor) -> torch.dtype:
    """Return the type in which places are weighed: half precision can't tell them apart."""
    return torch.promote_types(features.dtype, torch.float32)


def residual_body(widths: tuple[int, int], activation: type[nn.Module] = nn.SiLU) -> nn.Sequential:
    """Return a body for 128 px: sixteen pixels as channels first, then one halving, (B, widths[1], 16, 16)."""
    first, last = widths
    return nn.Sequential(
        nn.PixelUnshuffle(4), nn.Conv2d(48, first, 3, padding=1), Residual(first, activation),
        nn.Conv2d(first, last, 3, stride=2, padding=1), *(Residual(last, activation) for _ in range(3)),
        nn.GroupNorm(8, last), activation(),
    )  # fmt: skip


def encoder_of(size: int, widths: tuple[int, ...], features: int, looking: bool = False) -> nn.Module:
    """Return a fresh `PictureEncoder`, or with `looking` a `LookingEncoder`, which has one size only."""
    if not looking:
        return PictureEncoder(size, widths, features)
    if size != _LOOKING_SIZE or len(widths) != 2 or features != LookingEncoder.FEATURES:
        raise ValueError(f"an encoder that looks at places reads {_LOOKING_SIZE} pixels with two widths")
    return LookingEncoder(residual_body((widths[0], widths[1])), widths[1])
