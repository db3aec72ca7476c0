"""The zero-shot adapter as a method: a subject is the vectors that its pictures are read as."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from bench.rivals.adapter.network import PictureAdapter, installed, load_adapter
from bench.rivals.method import Ask, Method, Shots, Stage, Subject, drawn_from
from core.diffusion.checkpoints.headers import sha256_of
from core.diffusion.conditioning import Conditioning
from core.diffusion.requests import EncodePrompt, Routine


@dataclass(frozen=True)
class ZeroShot(Method):
    """Nothing is optimized: of several pictures the vectors' mean. All subjects share the adapter, and so all calls."""

    scale: float = 1.0

    most_pictures: ClassVar[int] = 16

    @torch.no_grad()
    def learn(self, stage: Stage, shots: Shots, seed: int) -> Subject:  # noqa: ARG002 - nothing is drawn at random
        """Read the pictures."""
        vectors = adapter_of(stage)(torch.stack([source.image for source in shots.sources]))
        return Subject(shots, {"vectors": vectors.mean(0)})

    def applied(self, stage: Stage, subject: Subject) -> AbstractContextManager[None]:  # noqa: ARG002 - it is everybody's
        """Have the adapter's attention in the UNet."""
        return installed(stage.backbone._unet, adapter_of(stage), self.scale)

    def drawing(self, stage: Stage, subject: Subject, ask: Ask) -> Routine[list[Tensor]]:
        """Draw the prompt with the picture's vectors behind it."""
        target: Conditioning = yield EncodePrompt(ask.prompt)
        sequence = torch.cat([target.sequence, subject.kept["vectors"].to(target.sequence)])
        return (yield from drawn_from(stage, replace(target, sequence=sequence), ask.seed, self.edit(stage)))

    def rests_on(self, stage: Stage) -> str:
        """Return the hash of the adapter's file."""
        return sha256_of(_file(stage))


def adapter_of(stage: Stage) -> PictureAdapter:
    """Return the stage's adapter. Raises SystemExit without one."""
    return _load(_file(stage))


def _file(stage: Stage) -> Path:
    if stage.adapter is None:
        raise SystemExit("the adapter needs a file: python -m bench.rivals.adapter, and --adapter FILE")
    return stage.adapter


@cache
def _load(path: Path) -> PictureAdapter:
    return load_adapter(path)
