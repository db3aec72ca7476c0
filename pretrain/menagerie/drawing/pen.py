"""Draws shapes into the picture, clipped, shaded and rimmed, and into the map of what is where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageChops, ImageDraw

from pretrain.menagerie.colors import Rgb
from pretrain.menagerie.drawing.curves import Points
from pretrain.menagerie.drawing.details import DETAILS

SIZE = 128
SUPER = 3  # drawn this many times larger, then averaged down
MAP = 64  # the side of the map of details
GRID = 16  # latents a side


class Mark(NamedTuple):
    """A shape upon a shape, cut off at its edge, and the detail that it is."""

    outline: Points
    color: Rgb
    detail: str


@dataclass(frozen=True)
class Ink:
    """How a picture is drawn: which way it faces, how wide its outlines are (pixels), how strongly it is shaded."""

    mirrored: bool = False
    outline: float = 1.2
    shading: float = 0.0


class Pen:
    """Draws in pixels of the finished 128 px picture."""

    def __init__(self, image: Image.Image, details: Image.Image, ink: Ink) -> None:
        self.image, self.details, self.ink = image, details, ink
        self._draw = ImageDraw.Draw(image)
        self._map = ImageDraw.Draw(details)

    def shape(self, outline: Points, color: Rgb, detail: str, marks: Sequence[Mark] = (), shaded: bool = True) -> None:
        """Fill a shape; its marks are cut off at its edge."""
        points = self._scaled(outline)
        self._note(points, detail, marks)
        dark = self.ink.shading if shaded else 0.0
        if not marks and not dark:
            self._draw.polygon(self._flat(points), fill=color)
            return
        low = np.floor(points.min(0)).astype(int) - 1
        width, height = (np.ceil(points.max(0)).astype(int) + 2 - low).tolist()
        tile = Image.new("RGB", (width, height), color)
        brush = ImageDraw.Draw(tile)
        for mark, paint, _ in marks:
            brush.polygon(self._flat(self._scaled(mark) - low), fill=paint)
        if dark:
            shadow = _ball(round(dark * 20)).resize(tile.size, Image.Resampling.BILINEAR)
            if self.ink.mirrored:
                shadow = shadow.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
            tile = ImageChops.multiply(tile, shadow)
        stencil = Image.new("L", tile.size, 0)
        ImageDraw.Draw(stencil).polygon(self._flat(points - low), fill=255)
        self.image.paste(tile, (int(low[0]), int(low[1])), stencil)

    def rim(self, outline: Points, color: Rgb, detail: str) -> None:
        """Draw the outline of a shape, if this picture has outlines; the shape itself then covers its inner half."""
        if not self.ink.outline:
            return
        points = self._scaled(outline)
        closed = self._flat(np.concatenate([points, points[:2]]))
        self._draw.line(closed, fill=color, width=round(2 * self.ink.outline * SUPER), joint="curve")
        self._note(points, detail)

    def rimmed(self, outline: Points, color: Rgb, detail: str, rim: Rgb, marks: Sequence[Mark] = ()) -> None:
        """Draw a shape with its outline."""
        self.rim(outline, rim, detail)
        self.shape(outline, color, detail, marks)

    def line(self, points: Points, color: Rgb, width: float) -> None:
        """Draw a thin open line."""
        self._draw.line(self._flat(self._scaled(points)), fill=color, width=round(width * SUPER), joint="curve")

    def _note(self, points: Points, detail: str, marks: Sequence[Mark] = ()) -> None:
        """Put a shape and its marks into the map of details."""
        scale = MAP / SIZE / SUPER
        outline = self._flat(points * scale)
        self._map.polygon(outline, fill=DETAILS.index(detail))
        if marks:
            tile, stencil = Image.new("L", (MAP, MAP), DETAILS.index(detail)), Image.new("1", (MAP, MAP), 0)
            brush = ImageDraw.Draw(tile)
            for mark in marks:
                brush.polygon(self._flat(self._scaled(mark.outline) * scale), fill=DETAILS.index(mark.detail))
            ImageDraw.Draw(stencil).polygon(outline, fill=1)
            self.details.paste(tile, (0, 0), stencil)

    def _scaled(self, points: Points) -> Points:
        x = SIZE - points[:, 0] if self.ink.mirrored else points[:, 0]
        return np.stack([x, points[:, 1]], 1) * SUPER

    @staticmethod
    def _flat(points: Points) -> list[float]:
        flat: list[float] = points.ravel().tolist()
        return flat


@cache
def _ball(twentieths: int) -> Image.Image:
    """Return what to multiply a shape with so that it looks round: light above and in front, dark below and behind."""
    rows, columns = np.mgrid[0:32, 0:32] / 31
    dark = np.clip(0.95 * np.hypot(rows - 0.22, 0.75 * (columns - 0.62)) - 0.18, 0, 1)
    value = 255 * (1 - twentieths / 20 * dark)
    return Image.fromarray(np.repeat(value[..., None], 3, 2).astype(np.uint8))


def new_details() -> Image.Image:
    """Return an empty map of details, 64x64."""
    return Image.new("L", (MAP, MAP), 0)
