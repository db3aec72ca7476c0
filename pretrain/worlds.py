"""The worlds that a model can be trained on: what their pictures show and how those are drawn."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pretrain.captions import caption
from pretrain.captions.caption import Caption
from pretrain.drawing import render, scenes
from pretrain.menagerie import captions as menagerie_captions
from pretrain.menagerie import scenes as menagerie_scenes
from pretrain.menagerie.drawing import render as menagerie_render
from pretrain.menagerie.looks import LOOKS
from pretrain.menagerie.names import GROUPS, said_as_numbers
from pretrain.menagerie.outside import OUTSIDE, describe, describe_plainly, looks_of, outside_scene

Drawing = tuple[Image.Image, NDArray[np.uint8]]


@dataclass(frozen=True)
class World:
    """A kind of scenes; pictures 2k and 2k + 1 are two scenes of pair k, which share their looks."""

    name: str
    size: int  # of the pictures, pixels
    channels: int  # of the latents, 16x16, that a UNet learns
    pair: Callable[[int], tuple[Any, Any]]
    draw: Callable[[Any], Drawing]
    caption: Callable[[Any, random.Random], Caption]
    plain_caption: Callable[[Any], str]
    ask: Callable[[int, str, str, str], Any]  # a seed, pose, place, style: that individual in such a scene
    scenes_of: Callable[[int, int], list[Any]]  # a seed, a count: that individual in so many scenes
    attributes: dict[str, tuple[str, ...]]  # what captions tell in words, and the values of each
    looks: tuple[str, ...]  # what captions tell as numbers
    max_tokens: int
    looks_of: Callable[[Any], list[float] | None] | None = None  # all looks of a scene's animal, as names tell them
    said_as_numbers: Callable[[Mapping[str, str], Mapping[str, float]], list[float]] | None = None  # of a caption
    groups: Mapping[str, int] = field(default_factory=dict)  # how many of these numbers tell what
    subject: float = 1.0  # what an error of the UNet counts where the animal is, against 1 elsewhere
    encoded: int | None = None  # channels that its VAE learns, if more: the latents are made white afterwards
    zero_snr: bool = False  # noise ends without a trace of the picture, and the UNet predicts v

    def scene(self, split: str, index: int) -> Any:
        """Return the scene of a split's index-th picture; of the split "outside" that of a drawing by others."""
        if split == OUTSIDE:
            return outside_scene(index)
        return self.pair(scenes.split_seed(split, index // 2))[index % 2]

    def captions(self, split: str, first: int, count: int, rng: random.Random) -> list[Caption]:
        """Return captions of the first scenes of as many pairs."""
        return [self.caption(self.scene(split, 2 * (first + index)), rng) for index in range(count)]

    @property
    def shrink(self) -> int:
        """How many pixels a latent stands for, along each side."""
        return self.size // 16


CRITTERS = World(
    "critters", 64, 4, scenes.scene_pair, render.render_with_parts, caption.caption, caption.plain_caption,
    scenes.asked_scene, scenes.scenes_of, caption.ATTRIBUTES, (), 32,
)  # fmt: skip
MENAGERIE = World(
    "menagerie", 128, 10, menagerie_scenes.scene_pair, menagerie_render.render_with_parts, describe, describe_plainly,
    menagerie_scenes.asked_scene, menagerie_scenes.scenes_of, menagerie_captions.ATTRIBUTES, LOOKS,
    menagerie_captions.MAX_TOKENS, looks_of, said_as_numbers, GROUPS, subject=3.0, encoded=16, zero_snr=True,
)  # fmt: skip
WORLDS = {world.name: world for world in (CRITTERS, MENAGERIE)}
WORLD_FILE = "world.txt"


def choose_world(folder: Path, name: str) -> World:
    """Make a work folder one of this world; ValueError if it is of another."""
    path = folder / WORLD_FILE
    if path.exists() and path.read_text(encoding="utf-8").strip() != name:
        raise ValueError(f"{folder} holds a training of another world, {path.read_text(encoding='utf-8').strip()}")
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(name + "\n", encoding="utf-8")
    return WORLDS[name]


def world_of(folder: Path) -> World:
    """Return the world that a work folder is of."""
    path = folder / WORLD_FILE
    return WORLDS[path.read_text(encoding="utf-8").strip()] if path.exists() else CRITTERS


def world_of_model(folder: Path) -> World:
    """Return the world that an exported model was trained on, by its latents; ValueError if they are of none."""
    channels = json.loads((folder / "vae" / "config.json").read_text(encoding="utf-8"))["latent_channels"]
    for world in WORLDS.values():
        if channels in {world.channels, world.encoded}:
            return world
    raise ValueError(f"{folder} has latents of {channels} channels, as no world's models do")
