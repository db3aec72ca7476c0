"""Drawings by others, of free licenses and from packages: put into our scenes, described."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from pretrain.captions.caption import PLACE_WORDS, STYLE_WORDS, Caption
from pretrain.menagerie.captions import POSE_WORDS, caption, plain_caption
from pretrain.menagerie.catalog import DRAWINGS, Drawing, fetch, file_of
from pretrain.menagerie.colors import shade
from pretrain.menagerie.drawing.curves import ellipse
from pretrain.menagerie.drawing.pen import GRID, SIZE, SUPER, Ink, Pen, new_details
from pretrain.menagerie.drawing.places import background
from pretrain.menagerie.drawing.styles import apply_style
from pretrain.menagerie.names import looks_as_numbers
from pretrain.menagerie.scenes import Scene, Setting, random_setting

_SEED = 876_543_210_000  # of no split
OUTSIDE = "outside"  # the split of their pictures
UNKNOWN_PART = 255


@dataclass(frozen=True)
class OutsideScene:
    """A drawing by somebody else in a setting of ours; `hue` turns its colors, 0..1, as many animals as there are."""

    drawing: Drawing
    setting: Setting
    hue: float = 0.0


def outside_scene(index: int) -> OutsideScene:
    """Return the index-th scene to train with; scenes 2k and 2k + 1 show the same drawing in the same colors."""
    rng = random.Random(_SEED + index // 2)
    drawing = rng.choice([drawing for drawing in DRAWINGS if not drawing.held_out])
    hue = rng.choice((0.0, rng.random()))
    return OutsideScene(drawing, random_setting(random.Random(_SEED + index + 0.5)), hue)


def draw_outside(folder: Path, scene: OutsideScene) -> Image.Image:
    """Return the scene as a 128 px picture; `folder` is what `fetch` returned."""
    setting = scene.setting
    image = background(setting)
    animal = _turned_hue(Image.open(folder / file_of(scene.drawing)), scene.hue)
    if setting.side != scene.drawing.side:
        animal = animal.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    room = (min(0.86 * setting.size, 0.96) * SIZE * SUPER, (setting.feet - 6) * SUPER)
    scale = min(room[0] / animal.width, 0.8 * setting.size * SIZE * SUPER / animal.height, room[1] / animal.height)
    animal = animal.resize((round(animal.width * scale), round(animal.height * scale)))
    half = animal.width / 2 / SUPER
    x = min(max(setting.x, half + 1), SIZE - half - 1)
    pen = Pen(image, new_details(), Ink(outline=0.0))
    pen.shape(ellipse((x, setting.feet), 0.9 * half, 4.5), shade(setting.floor, 0.76), "background", shaded=False)
    image.paste(animal, (round((x - half) * SUPER), round(setting.feet * SUPER) - animal.height), animal)
    return apply_style(image.reduce(SUPER), setting.style)


def _turned_hue(image: Image.Image, hue: float) -> Image.Image:
    if not hue:
        return image
    bands = list(image.convert("RGB").convert("HSV").split())
    turn = round(255 * hue)
    bands[0] = bands[0].point([(value + turn) % 256 for value in range(256)])
    turned = Image.merge("HSV", bands).convert("RGB")
    turned.putalpha(image.getchannel("A"))
    return turned


def draw_outside_pictures(folder: Path, count: int) -> None:
    """Draw the first `count` scenes as pictures of the split "outside", their parts unknown, unless they are there."""
    drawings, paths = fetch(folder), tuple(folder / f"{OUTSIDE}-{what}.npy" for what in ("images", "parts"))
    if paths[0].exists() and len(np.load(paths[0], mmap_mode="r")) >= count:
        return
    pictures = [np.asarray(draw_outside(drawings, outside_scene(index))) for index in range(count)]
    np.save(paths[1], np.full((count, GRID, GRID), UNKNOWN_PART, np.uint8))
    np.save(paths[0], np.stack(pictures))


def describe(scene: Scene | OutsideScene, rng: random.Random) -> Caption:
    """Return a description of any scene of the menagerie; of others' drawings nothing is said but what they do where.

    What is none of our species is an animal.
    """
    if isinstance(scene, Scene):
        return caption(scene, rng)
    return Caption(_outside_caption(scene, rng), {})


def describe_plainly(scene: Scene | OutsideScene) -> str:
    """Return the shortest full description of any scene of the menagerie."""
    return plain_caption(scene) if isinstance(scene, Scene) else _outside_caption(scene, random.Random(0))


def looks_of(scene: Scene | OutsideScene) -> list[float] | None:
    """Return all looks of a scene's animal, as names tell them; None for others' drawings, of which nobody knows."""
    return looks_as_numbers(scene.who) if isinstance(scene, Scene) else None


def _outside_caption(scene: OutsideScene, rng: random.Random) -> str:
    setting, drawing = scene.setting, scene.drawing
    pose = rng.choice(POSE_WORDS[drawing.pose])
    noun = f"{drawing.noun} {pose}" if pose == "lying down" else f"{pose} {drawing.noun}"
    style = rng.choice(STYLE_WORDS[setting.style])
    words = [style, "an" if noun[0] in "aeiou" else "a", noun, rng.choice(PLACE_WORDS[setting.place])]
    return " ".join(" ".join(words).split())
