"""Draws a scene: place, shadow, animal, light, style."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pretrain.menagerie.colors import Rgb, shade
from pretrain.menagerie.drawing.body import draw_animal, figure_of
from pretrain.menagerie.drawing.curves import ellipse
from pretrain.menagerie.drawing.details import parts_of
from pretrain.menagerie.drawing.figure import Figure
from pretrain.menagerie.drawing.pen import GRID, MAP, SIZE, SUPER, Ink, Pen, new_details
from pretrain.menagerie.drawing.places import background
from pretrain.menagerie.drawing.styles import apply_style
from pretrain.menagerie.scenes import Scene, Setting

Bytes = NDArray[np.uint8]


def render(scene: Scene) -> Image.Image:
    """Return the scene as a 128 px RGB picture."""
    return render_with_details(scene)[0]


def render_with_parts(scene: Scene) -> tuple[Image.Image, Bytes]:
    """Return the picture, and the part of the animal seen in each 8x8 pixels: (16, 16) indices into `PARTS`."""
    image, details = render_with_details(scene)
    return image, parts_on_grid(details)


def parts_on_grid(details: Bytes) -> Bytes:
    """Return the part seen in each 8x8 pixels, (16, 16), of a map of details, (64, 64)."""
    step = MAP // GRID
    return parts_of(details[step // 2 :: step, step // 2 :: step])


def render_with_details(scene: Scene) -> tuple[Image.Image, Bytes]:
    """Return the picture, and what of the animal is seen in each 2x2 pixels: (64, 64) indices into `DETAILS`."""
    setting = scene.setting
    image, details = background(setting), new_details()
    pen = Pen(image, details, Ink(setting.side == "left", setting.outline, setting.shading))
    figure = figure_of(scene.who, setting.pose, setting.size, setting.x, setting.feet)
    _draw_shadow(pen, figure)
    details.paste(0, (0, 0, MAP, MAP))
    draw_animal(pen, scene.who, figure)
    small = _lit(image.reduce(SUPER), setting)
    return apply_style(small, setting.style), np.asarray(details).copy()


def _draw_shadow(pen: Pen, figure: Figure) -> None:
    x, y = figure.ground
    row = min(SIZE - 1, int(y)) * SUPER
    [[[red, green, blue]]] = np.asarray(pen.image.crop((0, row, 1, row + 1))).tolist()
    color: Rgb = (red, green, blue)
    pen.shape(ellipse((x, y), figure.shadow, 4.5), shade(color, 0.76), "background", shaded=False)


def _lit(image: Image.Image, setting: Setting) -> Image.Image:
    """Return the picture in colored light."""
    if setting.light == (255, 255, 255):
        return image
    table = [round(value * channel / 255) for channel in setting.light for value in range(256)]
    return image.point(table)
