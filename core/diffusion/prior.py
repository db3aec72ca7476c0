"""A tail prior: a small network that guesses from one picture what a tail would add to any prompt."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

_GRID = 8  # the encoder's convolutions end at 8x8
_GAIN = 10.0  # what tails learn is several times as large as the vectors that it is added to
_METADATA = "tail_prior"


class PriorFileError(ValueError):
    """A file holds no tail prior, or one that does not fit its backbone."""


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


class TailPrior(nn.Module):
    """Guesses the residual of a tail, (n, D), from a picture: what it adds to any prompt's last vectors.

    It is trained on pairs of pictures of one individual in two scenes, through the frozen backbone: the guess from one
    of them must help to denoise the other under that one's own plain prompt. So it knows what in a picture belongs to
    the individual and what to the scene, which no optimization on a single picture can find out. (Encoder-based
    tuning, Gal et al. 2023, arXiv 2302.12228; there the encoder writes a word and needs the UNet's weights tuned, too.)
    """

    def __init__(self, size: int, widths: tuple[int, ...], features: int, positions: int, width: int) -> None:
        super().__init__()
        self.config: dict[str, Any] = {
            "size": size, "widths": list(widths), "features": features, "positions": positions, "width": width,
        }  # fmt: skip
        self.size, self.positions, self.width = size, positions, width
        self.encoder = PictureEncoder(size, widths, features)
        inner = 512
        self.head = nn.Sequential(
            nn.LayerNorm(features), nn.Linear(features, inner), nn.SiLU(), nn.Linear(inner, inner), nn.SiLU()
        )
        self.out = nn.Linear(inner, positions * width)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, images: Tensor) -> Tensor:
        """images: (B, 3, H, W) in -1..1, of any size. Returns residuals (B, n, D)."""
        if images.shape[-1] != self.size:
            images = functional.interpolate(images, (self.size, self.size), mode="area")
        tails: Tensor = _GAIN * self.out(self.head(self.encoder(images)))
        return tails.view(len(images), self.positions, self.width)


def save_prior(prior: TailPrior, path: Path) -> None:
    """Write a prior in float16, its shape in the file's metadata."""
    tensors = {name: tensor.detach().half().contiguous() for name, tensor in prior.state_dict().items()}
    save_file(tensors, path, {_METADATA: json.dumps(prior.config)})
    path.chmod(0o644)


def load_prior(path: Path) -> TailPrior:
    """Return the prior in a file, frozen, float32. Raises PriorFileError."""
    try:
        with safe_open(path, "pt") as file:
            config = json.loads((file.metadata() or {})[_METADATA])
            tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118 - it is no mapping
        prior = TailPrior(**{**config, "widths": tuple(config["widths"])})
        prior.load_state_dict(tensors)
    except Exception as error:
        raise PriorFileError(f"{path.name} holds no tail prior: {error!r}") from error
    return prior.eval().requires_grad_(False)
