"""The worlds that a model can be trained on: what their pictures show and how those are drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import pretrain.drawing.render
import pretrain.drawing.scenes
import pretrain.menagerie.drawing.render
import pretrain.menagerie.scenes

Drawing = tuple[Image.Image, NDArray[np.uint8]]


@dataclass(frozen=True)
class World:
    """A kind of scenes; pictures 2k and 2k + 1 are two scenes of pair k, which share their looks."""

    name: str
    size: int  # of the pictures, pixels
    channels: int  # of the latents, 16x16
    pair: Callable[[int], tuple[Any, Any]]
    draw: Callable[[Any], Drawing]

    def scene(self, split: str, index: int) -> Any:
        """Return the scene of a split's index-th picture."""
        return self.pair(pretrain.drawing.scenes.split_seed(split, index // 2))[index % 2]

    @property
    def shrink(self) -> int:
        """How many pixels a latent stands for, along each side."""
        return self.size // 16


CRITTERS = World("critters", 64, 4, pretrain.drawing.scenes.scene_pair, pretrain.drawing.render.render_with_parts)
MENAGERIE = World(
    "menagerie", 128, 8, pretrain.menagerie.scenes.scene_pair, pretrain.menagerie.drawing.render.render_with_parts
)
WORLDS = {world.name: world for world in (CRITTERS, MENAGERIE)}
_FILE = "world.txt"


def choose_world(folder: Path, name: str) -> World:
    """Make a work folder one of this world; ValueError if it is of another."""
    path = folder / _FILE
    if path.exists() and path.read_text(encoding="utf-8").strip() != name:
        raise ValueError(f"{folder} holds a training of another world, {path.read_text(encoding='utf-8').strip()}")
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(name + "\n", encoding="utf-8")
    return WORLDS[name]


def world_of(folder: Path) -> World:
    """Return the world that a work folder is of."""
    path = folder / _FILE
    return WORLDS[path.read_text(encoding="utf-8").strip()] if path.exists() else CRITTERS
