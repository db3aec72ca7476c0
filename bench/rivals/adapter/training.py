"""Trains an adapter on a frozen backbone: a picture of an individual must help to denoise it in another scene."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from bench.rivals.adapter.network import PictureAdapter, cross_attentions, installed, save_adapter
from core.diffusion.backbone import Backbone
from core.diffusion.conditioning import Conditioning
from core.diffusion.prior import TailPrior
from pretrain.drawing.pictures import to_tensor
from pretrain.judging.judge import ENCODER
from pretrain.training.trainer import Budget, Trainer
from pretrain.worlds import World

SCENES = 4  # of each individual
TOKENS = 4  # as IP-Adapter's
BATCH = 8
DROPPED = 0.1  # of the rows are denoised without the text; without the picture a row goes as in the frozen model anyway
RATE = 1e-3
_FIRST = 60_000_000  # of the pretraining seeds, beyond those that the backbone and its tail prior were trained on


@dataclass(frozen=True)
class Individuals:
    """N individuals in `SCENES` scenes each: images (N, SCENES, size, size, 3), latents, text sequences by caption."""

    images: NDArray[np.uint8]
    latents: Tensor  # (N, SCENES, C, h, w)
    captions: list[list[str]]
    sequences: dict[str, Tensor]  # (L, D); "" is there, too


@torch.no_grad()
def draw_individuals(backbone: Backbone, world: World, count: int, folder: Path) -> Individuals:
    """Return `count` individuals of the pretraining split, drawn and encoded once and kept in `folder`."""
    path = folder / f"adapter-{backbone.hash[:12]}-{count}.npz"
    scenes = [world.scenes_of(_FIRST + index, SCENES) for index in range(count)]
    captions = [[world.plain_caption(scene) for scene in several] for several in scenes]
    if not path.exists():
        images = np.stack([np.stack([np.asarray(world.draw(s)[0]) for s in several]) for several in scenes])
        latents = np.stack([backbone.encode_image(to_tensor(several))[0].numpy() for several in images])
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(path, images=images, latents=latents.astype(np.float16))
    found = np.load(path)
    texts = ["", *dict.fromkeys(caption for several in captions for caption in several)]
    encoded = [row for first in range(0, len(texts), 64) for row in backbone.encode_prompt(texts[first : first + 64])]
    sequences = {text: row.sequence for text, row in zip(texts, encoded, strict=True)}
    return Individuals(found["images"], torch.from_numpy(found["latents"]).float(), captions, sequences)


def new_adapter(backbone: Backbone) -> PictureAdapter:
    """Return a fresh adapter; it sees with the encoder of the model's tail prior if there is one.

    That encoder was taught by the drawings' labels and stays as it is. Otherwise a fresh one learns along. Keys and
    values begin as copies of the text's, as IP-Adapter's do.
    """
    prior: TailPrior | None = backbone._prior
    size, widths, features = ENCODER
    config: dict[str, Any] = {"size": size, "widths": list(widths), "features": features}
    if prior is not None:
        config = {name: prior.config[name] for name in (*config, "looking") if name in prior.config}
    torch.manual_seed(0)
    unet = backbone._unet
    adapter = PictureAdapter(config, TOKENS, backbone.width, cross_attentions(unet), backbone.sequence_length)
    for name, key, value in zip(adapter.names, adapter.keys, adapter.values, strict=True):
        attention = unet.get_submodule(name.removesuffix(".processor"))
        key.load_state_dict(attention.to_k.state_dict())
        value.load_state_dict(attention.to_v.state_dict())
    if prior is not None:
        adapter.encoder.load_state_dict(prior.encoder.state_dict())
        adapter.encoder.requires_grad_(False)
    return adapter


def train_adapter(backbone: Backbone, individuals: Individuals, held_out: int, budget: Budget, path: Path) -> None:
    """Train (or take up) an adapter; its average is written to `path`, what it can be taken up from beside it.

    The last `held_out` individuals are only looked at.
    """
    count = len(individuals.images) - held_out
    trainer = Trainer(new_adapter(backbone), path.with_suffix(".pt"), RATE)

    def loss_of(_step: int, generator: Generator) -> Tensor:
        rows = torch.randint(count, (BATCH,), generator=generator)
        return loss(backbone, trainer.module, individuals, rows, generator)

    def on_save() -> None:
        rows = torch.arange(count, count + held_out)
        with torch.no_grad():
            told, plain = (
                float(
                    loss(backbone, trainer.average, individuals, rows, Generator().manual_seed(3), scale=scale, drop=0)
                )
                for scale in (1.0, 0.0)
            )
        print(f"held-out loss with the picture {told:.5f}, with the plain prompt alone {plain:.5f}", flush=True)
        save_adapter(trainer.average, path)

    trainer.train(loss_of, budget, on_save, save_minutes=2)


def loss(
    backbone: Backbone,
    adapter: PictureAdapter,
    individuals: Individuals,
    rows: Tensor,
    generator: Generator,
    *,
    scale: float = 1.0,
    drop: float = DROPPED,
) -> Tensor:
    """Return how badly other scenes of individuals, `rows` (B,), are denoised with their prompts and one picture."""
    source = torch.randint(SCENES, rows.shape, generator=generator)
    target = (source + torch.randint(1, SCENES, rows.shape, generator=generator)) % SCENES
    latents = individuals.latents[rows, target]
    picture = to_tensor(individuals.images[rows.numpy(), source.numpy()])
    chance = torch.rand(rows.shape, generator=generator)
    texts = [
        "" if float(c) < drop else individuals.captions[int(i)][int(k)]
        for i, k, c in zip(rows, target, chance, strict=True)
    ]
    timesteps = torch.randint(backbone.schedule.num_train_timesteps, rows.shape, generator=generator)
    noise = torch.randn(latents.shape, generator=generator)
    sequence = torch.cat([torch.stack([individuals.sequences[text] for text in texts]), adapter(picture)], 1)
    noisy = backbone.schedule.add_noise(latents, noise, timesteps)
    with installed(backbone._unet, adapter, scale):
        output = backbone.predict(noisy, timesteps, Conditioning(sequence))
    return (output - backbone.schedule.target(latents, noise, timesteps)).square().mean()
