"""The two networks that read a picture."""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from core.diffusion.prior import PictureEncoder, Residual
from pretrain.captions.caption import ATTRIBUTES
from pretrain.judging.network import Mixing, load_weights

IDENTITY_WIDTH = 32
ENCODER = (64, (32, 64, 96), 192)  # the size, widths and features of what a tail prior sees with


class Judge(nn.Module):
    """Reads a scene off a 64 px picture: scores for each of `ATTRIBUTES`, and a vector for the individual."""

    def __init__(self, body: nn.Module, width: int) -> None:
        super().__init__()
        self.body = body
        self.readers = nn.ModuleDict({name: nn.Linear(width, len(values)) for name, values in ATTRIBUTES.items()})
        self.identity = nn.Linear(width, IDENTITY_WIDTH)

    def forward(self, images: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """images: (B, 3, 64, 64) in -1..1; returns scores (B, values) by attribute and unit vectors (B, 32)."""
        features = self.body(images)
        scores = {name: reader(features) for name, reader in self.readers.items()}
        return scores, functional.normalize(self.identity(features), dim=1)

    @torch.no_grad()
    def read(self, images: Tensor) -> list[dict[str, str]]:
        """images: (B, 3, 64, 64) in -1..1; the likeliest value of every attribute of each picture."""
        return self.look(images)[0]

    @torch.no_grad()
    def look(self, images: Tensor) -> tuple[list[dict[str, str]], Tensor]:
        """images: (B, 3, 64, 64) in -1..1; what `read` returns, and the individuals' unit vectors (B, 32)."""
        scores, vectors = self(images)
        best = {name: score.argmax(1).tolist() for name, score in scores.items()}
        read = [{name: ATTRIBUTES[name][best[name][row]] for name in ATTRIBUTES} for row in range(len(images))]
        return read, vectors


def judge_a() -> Judge:
    """Return the judge for tuning and choosing: a residual network that goes down in steps of two."""
    body = nn.Sequential(
        nn.Conv2d(3, 32, 5, stride=2, padding=2), nn.GroupNorm(8, 32), nn.ReLU(),
        nn.Conv2d(32, 64, 3, stride=2, padding=1), Residual(64, nn.ReLU),
        nn.Conv2d(64, 96, 3, stride=2, padding=1), Residual(96, nn.ReLU), nn.GroupNorm(8, 96), nn.ReLU(),
        nn.Conv2d(96, 32, 1), nn.Flatten(), nn.Linear(32 * 64, 192), nn.ReLU(),
    )  # fmt: skip
    return Judge(body, 192)


def judge_b() -> Judge:
    """Return the judge that only reports: patches of 4 pixels, mixed over places and channels in turn."""
    body = nn.Sequential(
        nn.Conv2d(3, 64, 4, stride=4), Mixing(64),
        nn.Conv2d(64, 112, 2, stride=2), Mixing(112), Mixing(112), nn.GroupNorm(1, 112),
        nn.Conv2d(112, 32, 1), nn.GELU(), nn.Flatten(), nn.Linear(32 * 64, 192), nn.GELU(),
    )  # fmt: skip
    return Judge(body, 192)


def reader() -> Judge:
    """Return what is taught as the judges are but judges nothing: the encoder of a tail prior, and its readers."""
    return Judge(PictureEncoder(*ENCODER), ENCODER[-1])


def new_judge(name: str) -> Judge:
    """Return judge "a" or "b", or the "reader", with fresh weights."""
    return {"a": judge_a, "b": judge_b, "reader": reader}[name]()


def open_judge(name: str, path: Path) -> Judge:
    """Return judge "a" or "b" with the weights in a file, frozen, float32."""
    judge = new_judge(name)
    load_weights(judge, path)
    return judge
