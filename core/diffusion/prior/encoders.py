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
    """Tells which part of the subject is where, and measures each: what it is like, where, how large, how spread.

    (B, channels, h, w) to what is seen of them (B, parts * seen), their measures (B, parts * `MEASURES` + `OVERALL`)
    and scores (B, parts, h, w). Taught the scores, which pictures that are drawn come with, a network learns to read
    what is small in a tenth of the pictures. Places and sizes are told in the subject's own terms, from its middle, in
    units of its spread, as if it faced right: a dense layer then need not learn each measure at each of them. Sizes
    are logarithms, since looks are proportions. What a part usually has is taken off, so all differ by about 1.

    Part 0 is all that is not the subject; `trunk` and `head` are the parts that tell which way it faces.
    """

    MEASURES = 6
    OVERALL = 5

    def __init__(self, channels: int, parts: int, seen: int, trunk: slice, head: slice) -> None:
        super().__init__()
        self.which = nn.Conv2d(channels, parts, 1)
        self.what = nn.Conv2d(channels, seen, 1)
        self.trunk, self.head = trunk, head

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See the class."""
        scores = self.which(features).to(_wide(features))
        likely = scores.softmax(1).flatten(2)
        what = self.what(features).flatten(2).to(likely.dtype).transpose(1, 2)
        found = (likely / (likely.sum(2, keepdim=True) + _FEW)) @ what
        return found.flatten(1), self._measured(likely, scores.shape[2], scores.shape[3]), scores

    def _measured(self, likely: Tensor, height: int, width: int) -> Tensor:
        """likely: (B, parts, h * w)."""
        down, right = torch.meshgrid(
            *(torch.linspace(-1, 1, count, dtype=likely.dtype, device=likely.device) for count in (height, width)),
            indexing="ij",
        )
        x, y = right.flatten(), down.flatten()
        sums = likely @ torch.stack([torch.ones_like(x), x, y, x * x, y * y, x * y], 1)  # (B, parts, 6)
        all_of_it = sums[:, 1:].sum(1, keepdim=True)
        middle, spread = _moments(all_of_it, all_of_it)
        size = (spread[..., :1] + spread[..., 1:2] + 1e-4).sqrt()  # (B, 1, 1)
        ahead = _moments(sums[:, self.head].sum(1, keepdim=True), all_of_it)[0][..., :1]
        ahead = ahead - _moments(sums[:, self.trunk].sum(1, keepdim=True), all_of_it)[0][..., :1]
        facing = ahead / (ahead.abs() + 0.02)
        means, spreads = _moments(sums, all_of_it)
        off = (means - middle) / size
        own = (spreads[..., :2] / size.square() + 1e-3).log()
        slant = spreads[..., 2:] / size.square() * facing
        share = (sums[..., :1] / (all_of_it[..., :1] + 1) + 1e-3).log()
        each = torch.cat([off[..., :1] * facing, off[..., 1:], own, slant, share], 2)
        overall = torch.cat([middle, size.log(), facing, (all_of_it[..., :1] / likely.shape[2] + 1e-3).log()], 2)
        return torch.cat([_unusual(each, _USUAL).flatten(1), _unusual(overall, _USUAL_OVERALL).flatten(1)], 1)


# What a judge's maps of drawn animals measure in the mean over all parts, and by how much one part's measures differ.
_USUAL = ((0.0, 0.0, -1.1, -1.1, 0.0, -4.1), (0.25, 0.25, 0.65, 0.65, 0.07, 0.75))
_USUAL_OVERALL = ((0.0, 0.15, -0.6, 0.0, -1.2), (0.1, 0.15, 0.06, 1.0, 0.2))


def _unusual(measures: Tensor, usual: tuple[tuple[float, ...], tuple[float, ...]]) -> Tensor:
    """Return measures (..., n) less the usual ones, in units of how much these differ.

    Number by number: a table would have to be copied to a GPU each time, which no recorded step can do.
    """
    told = zip(measures.unbind(-1), *usual, strict=True)
    return torch.stack([(one - mean) / spread for one, mean, spread in told], -1)


_FEW = 0.1  # cells: what is hardly there at all is taken to be a point in the subject's middle
_CELL = 3.5e-4  # the variance of a cell


def _moments(sums: Tensor, all_of_it: Tensor) -> tuple[Tensor, Tensor]:
    """Return means (..., 2) and (co)variances (..., 3: x, y, both) of sums (..., 6): how much, x, y, x², y², x·y."""
    mass, first, second = sums[..., :1], sums[..., 1:3], sums[..., 3:]
    usual = all_of_it[..., 1:3] / (all_of_it[..., :1] + 1e-3)
    means = (first + _FEW * usual) / (mass + _FEW)
    own = second[..., :2] - 2 * means * first + means.square() * mass + _FEW * _CELL
    x, y = means[..., :1], means[..., 1:]
    both = second[..., 2:] - x * first[..., 1:] - y * first[..., :1] + x * y * mass
    return means, torch.cat([own, both], -1) / (mass + _FEW)


class Proportions(nn.Module):
    """What measures (B, measures) say where the rest of the picture is like this, (B, seen): (B, `WIDTH`).

    How long a leg is for its looks depends on species and pose, so what else is seen weighs what is made of a measure.
    """

    WIDTH = 512

    def __init__(self, measures: int, seen: int) -> None:
        super().__init__()
        self.of = nn.Sequential(nn.Linear(measures, self.WIDTH), nn.GELU())
        self.gate = nn.Linear(seen, self.WIDTH)
        nn.init.zeros_(self.gate.weight)
        nn.init.ones_(self.gate.bias)

    def forward(self, measures: Tensor, seen: Tensor) -> Tensor:
        """See the class."""
        found: Tensor = self.of(measures) * self.gate(seen)
        return found


class LookingEncoder(nn.Module):
    """Reads pictures (B, 3, size, size) into vectors (B, `FEATURES`): a body, what is seen at places, a dense end.

    `stem` makes (B, fine, 32, 32) of them, `deep` (B, channels, 16, 16) of that; `refine` is for both together, at
    32x32, where it tells the subject's parts from each other. It also looks at some places that it chooses. Beside
    them it has a coarse view of the whole, `SEEN` channels at 8x8, which is also what a UNet may be aligned with.
    The first of a vector's numbers are about all of that, the others about the subject's proportions.
    """

    DENSE = 320
    FEATURES = DENSE + Proportions.WIDTH
    SEEN = 32
    PARTS, OF_PART = 31, 12
    TRUNK, HEAD = slice(1, 10), slice(10, 20)
    PLACES, AT_EACH = 16, 48

    def __init__(self, stem: nn.Module, deep: nn.Module, refine: nn.Module, fine: int, channels: int) -> None:
        super().__init__()
        self.stem, self.deep, self.refine = stem, deep, refine
        self.up = nn.Sequential(nn.Conv2d(channels, 4 * fine, 1), nn.PixelShuffle(2))
        self.looking = Looking(channels, self.PLACES, self.AT_EACH)
        self.parts = Parts(fine, self.PARTS, self.OF_PART, self.TRUNK, self.HEAD)
        self.everywhere = nn.Sequential(nn.Conv2d(channels, self.SEEN, 1), nn.AvgPool2d(2))
        seen = self.PLACES * (self.AT_EACH + 4) + self.PARTS * self.OF_PART + self.SEEN * _GRID**2
        self.norm = nn.LayerNorm(seen)
        self.dense = nn.Sequential(
            nn.Linear(seen + self.PARTS * Parts.MEASURES + Parts.OVERALL, 512), nn.GELU(),
            nn.Linear(512, self.DENSE), nn.GELU(),
        )  # fmt: skip
        self.proportions = Proportions(self.PARTS * Parts.MEASURES + Parts.OVERALL, self.DENSE)

    def forward(self, images: Tensor) -> Tensor:
        """See the class."""
        return self.read(images)[0]

    def read(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return the vectors, and scores of which part is where, (B, PARTS, 32, 32)."""
        fine = self.stem(images)
        features = self.deep(fine)
        refined, coarse = self.refine(fine + self.up(features)), self.everywhere(features)
        own = self.norm.weight.dtype
        with torch.autocast(images.device.type, enabled=False):  # places and sizes are differences of large sums
            parts, measures, scores = self.parts(refined.to(own))
            seen = [self.looking(features.to(own)), parts, coarse.flatten(1)]
            told = self.norm(torch.cat([each.to(own) for each in seen], 1))
            dense = self.dense(torch.cat([told, measures.to(own)], 1))
            vectors = torch.cat([dense, self.proportions(measures.to(own), dense)], 1)
        return vectors, scores

    def seen(self, images: Tensor) -> Tensor:
        """(B, 3, 128, 128) to what is seen where, (B, SEEN, 8, 8)."""
        found: Tensor = self.everywhere(self.deep(self.stem(images)))
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


def residual_encoder(widths: tuple[int, int]) -> LookingEncoder:
    """Return an encoder of residual blocks for 128 px: sixteen pixels as channels first, then one halving."""
    first, last = widths
    stem = nn.Sequential(nn.PixelUnshuffle(4), nn.Conv2d(48, first, 3, padding=1), Residual(first, nn.ReLU))
    deep = nn.Sequential(
        nn.Conv2d(first, last, 3, stride=2, padding=1), *(Residual(last, nn.ReLU) for _ in range(3)),
        nn.GroupNorm(8, last), nn.ReLU(),
    )  # fmt: skip
    refine = nn.Sequential(*(Residual(first, nn.ReLU) for _ in range(3)))
    return LookingEncoder(stem, deep, refine, first, last)


def encoder_of(size: int, widths: tuple[int, ...], features: int, looking: bool = False) -> nn.Module:
    """Return a fresh `PictureEncoder`, or with `looking` a `LookingEncoder`, which has one size only."""
    if not looking:
        return PictureEncoder(size, widths, features)
    if size != _LOOKING_SIZE or len(widths) != 2 or features != LookingEncoder.FEATURES:
        raise ValueError(f"an encoder that looks at places reads {_LOOKING_SIZE} pixels with two widths")
    return residual_encoder((widths[0], widths[1]))
