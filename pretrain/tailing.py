from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from pretrain.captions import ATTRIBUTES, plain_caption
from pretrain.judging import open_judges, twins
from pretrain.pictures import to_tensor
from pretrain.pipeline import Pipeline, open_pipeline
from pretrain.render import render
from pretrain.scenes import Scene
from pretrain.schedule import STEPS, add_noise
from pretrain.sheet import sheet
from pretrain.unet import TAIL

TAIL_SCALE = 0.8
BATCH = 4


@dataclass(frozen=True)
class Trial:
    """One individual: its picture, three scenes to put it into, and what came of it."""

    source: Scene
    targets: tuple[Scene, ...]


def trial(split: str, index: int) -> Trial:
    """Return the index-th individual, standing on the grass, and three other scenes of it."""
    who = twins(split, 2000 + index)[0].who
    places = ("beach", "snow", "room", "city")
    targets = (
        Scene(who, "sitting", places[index % 4], "photo"),
        Scene(who, "jumping", places[(index + 1) % 4], "photo"),
        Scene(who, "lying", places[(index + 2) % 4], "watercolor"),
    )
    return Trial(Scene(who, "standing", "meadow", "photo"), targets)


def personalize(pipeline: Pipeline, scene: Scene, steps: int, rate: float) -> Tensor:
    """HiPer: optimise the last five vectors of the plain caption's encoding for this one picture; (5, width)."""
    with torch.no_grad():
        image = to_tensor(np.asarray(render(scene))[None])
        latents = pipeline.vae.encode(image).latent_dist.mode() * pipeline.vae.config.scaling_factor
    sequence = pipeline.encode([plain_caption(scene)])
    head, tail = sequence[:, :-TAIL], sequence[:, -TAIL:].clone().requires_grad_(True)
    optimizer = torch.optim.Adam([tail], lr=rate)
    generator = torch.Generator().manual_seed(0)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = rate * (1 - step / steps)
        timesteps = torch.randint(STEPS, (BATCH,), generator=generator)
        noise = torch.randn((BATCH, *latents.shape[1:]), generator=generator)
        noisy = add_noise(latents, noise, timesteps)
        rows = torch.cat([head, tail], 1).expand(BATCH, -1, -1)
        loss = (pipeline.unet(noisy, timesteps, rows).sample - noise).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return tail.detach()[0]


def try_tails(
    model: Path, path: Path, split: str, count: int, *, steps: int = 200, rate: float = 1e-2
) -> dict[str, float]:
    """Personalize on `count` individuals, edit each into three scenes, and write a sheet to look at.

    The sheet's rows: the picture and its edits, then the same prompts without the tail, then the drawn truth. Returns
    what judge B reads: how often the edits show the asked-for scene, and the individual's looks with and without tail.
    """
    pipeline, judge = open_pipeline(model), open_judges(model / "judges")["b"]
    rows: list[Image.Image] = []
    scores: dict[str, list[bool]] = {}
    for index in range(count):
        found = trial(split, index)
        tail = personalize(pipeline, found.source, steps, rate)
        plain = pipeline.encode([plain_caption(scene) for scene in found.targets])
        edited = plain.clone()
        edited[:, -TAIL:] = TAIL_SCALE * tail
        source = render(found.source)
        for name, sequence in (("tail", edited), ("plain", plain)):
            pictures = pipeline.draw(sequence, 100 * index)
            rows += [source, *(Image.fromarray(picture) for picture in pictures)]
            _compare(judge.read(to_tensor(pictures)), found.targets, name, scores)
        rows += [source, *(render(scene) for scene in found.targets)]
    sheet(rows, 4, 2).save(path)
    return {name: round(float(np.mean(values)), 3) for name, values in scores.items()}


def _compare(read: list[dict[str, str]], targets: tuple[Scene, ...], name: str, scores: dict[str, list[bool]]) -> None:
    for row, scene in zip(read, targets, strict=True):
        for attribute in ATTRIBUTES:
            if attribute in ("second", "wear_color"):
                continue
            wanted = getattr(scene, attribute, None) or getattr(scene.who, attribute)
            scores.setdefault(f"{name} {attribute}", []).append(row[attribute] == wanted)
