"""A stage with a tiny random checkpoint, and a subject of noise on it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch

from bench.rivals.method import Ask, Shots, Stage, Subject
from bench.rivals.plain import Plain
from bench.trials.studio import Studio
from core.diffusion.backbone import load_backbone
from core.diffusion.conditioning import Conditioning
from core.diffusion.learning.sources import Source
from core.models.parameters import EditParams
from tests.support.checkpoints import write_checkpoint

ASKS = [Ask("the dog sitting", 3, "the red dog sitting"), Ask("a dog", 3)]
CLOCK = [0.0]
LEARNED: list[int] = []


@dataclass(frozen=True)
class Counted(Plain):
    """Counts its steps on a clock of its own: two seconds to begin with, half a second a step."""

    steps: int = 100

    lengths = ("steps",)
    shares_calls = False

    def learn(self, _stage: Stage, shots: Shots, seed: int) -> Subject:
        CLOCK[0] += 2 + self.steps / 2
        LEARNED.append(seed)
        return Subject(shots, {"word": torch.zeros(10)})


def open_stage(folder: Path, adapter: Path | None = None) -> Stage:
    """Return a stage whose pictures take two steps."""
    backbone = load_backbone(str(write_checkpoint(folder, kind="sd15")), name="tiny")
    return Stage(Studio(backbone, quiet=True, threads=1), EditParams(num_inference_steps=2), adapter=adapter)


def shots(stage: Stage, count: int = 1, seed: int = 0) -> Shots:
    """Return pictures of a subject that goes by "dog"."""
    size, rng = stage.backbone.image_size, torch.Generator().manual_seed(seed)
    images = [torch.rand(3, size, size, generator=rng) * 2 - 1 for _ in range(count)]
    return Shots([Source(image, f"a dog {i}" if i else "the dog") for i, image in enumerate(images)], "dog")


def fingerprint(stage: Stage) -> str:
    """Return a hash of all weights of a backbone, with their names."""
    digest = hashlib.sha256()
    for module in (stage.backbone._unet, stage.backbone._vae, *stage.backbone._prompts.text_encoders):
        for name, tensor in module.state_dict().items():
            digest.update(name.encode() + tensor.numpy().tobytes())
    return digest.hexdigest()


def loss_of(stage: Stage, text: Conditioning, subject: Subject, draws: int = 16) -> float:
    """Return the loss of the subject's first picture with a conditioning, on noise that is always the same."""
    mean, _ = stage.backbone.encode_image(subject.shots.sources[0].image[None])
    noise = torch.randn((draws, *mean.shape[1:]), generator=torch.Generator().manual_seed(9))
    timesteps = torch.linspace(20, 980, draws).long()
    noisy = stage.schedule.add_noise(mean.expand_as(noise), noise, timesteps)
    rows = Conditioning(text.sequence.expand(draws, -1, -1))
    with torch.no_grad():
        return float((stage.backbone.predict(noisy, timesteps, rows) - noise).square().mean())
