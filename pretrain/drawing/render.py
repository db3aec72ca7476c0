"""Draws a scene: place, shadow, animal, style."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from pretrain.drawing.animal import draw_animal
from pretrain.drawing.figure import Figure, figure_of
from pretrain.drawing.identity import shade
from pretrain.drawing.pen import SUPER, Pen, new_parts
from pretrain.drawing.places import GROUND, background
from pretrain.drawing.scenes import Scene
from pretrain.drawing.styles import apply_style

Bytes = NDArray[np.uint8]


def render(scene: Scene) -> Image.Image:
    """Return the scene as a 64 px RGB picture."""
    return render_with_parts(scene)[0]


def render_with_parts(scene: Scene) -> tuple[Image.Image, Bytes]:
    """Return the picture, and the part of the animal seen in each 4x4 pixels: (16, 16) indices into `PARTS`."""
    image, parts = background(scene.place).copy(), new_parts()
    figure = figure_of(scene.who, scene.pose, scene.shift)
    pen = Pen(image, parts)
    _draw_shadow(pen, scene, figure)
    parts.paste(0, (0, 0, *parts.size))
    draw_animal(pen, scene.who, figure)
    small = image.reduce(SUPER).filter(ImageFilter.GaussianBlur(0.5))  # finer detail would be lost in 16x16 latents
    return apply_style(small, scene.style), np.asarray(parts)[2::4, 2::4].copy()


def _draw_shadow(pen: Pen, scene: Scene, figure: Figure) -> None:
    """Draw a flat shadow on the ground; small under an animal in the air."""
    row = round((GROUND + 1) * SUPER)
    red, green, blue = np.asarray(pen.image)[row - 2 * SUPER, 2].tolist()
    width = 13.0 if scene.pose == "jumping" else 24.0
    pen.ellipse((figure.body[0] + 3, GROUND + 0.5, width, 3.0, 0.0), shade((red, green, blue), 0.72), "background")
