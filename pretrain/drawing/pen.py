"""Draws shapes into the picture and into the map of parts."""

import math

from PIL import Image, ImageDraw

from pretrain.drawing.identity import Rgb

SIZE = 64
SUPER = 4  # drawn this many times larger, then averaged down
EDGE = 1.1  # the dark rim around each part, in pixels

Point = tuple[float, float]
Shape = tuple[float, float, float, float, float]  # an ellipse: center x, y, radii along and across, rotation

PARTS = ("background", "body", "head", "ear", "leg", "tail", "face", "pattern", "wear")


class Pen:
    """Draws in pixels of the finished 64 px picture, into the picture and into a map of what is where.

    The map (64x64, one byte of `PARTS` each) costs little here and teaches the UNet shapes.
    """

    def __init__(self, image: Image.Image, parts: Image.Image) -> None:
        self.image = image
        self.parts = parts
        self._draw = ImageDraw.Draw(image)
        self._map = ImageDraw.Draw(parts)

    def ellipse(self, shape: Shape, color: Rgb, part: str, grow: float = 0.0) -> None:
        """Draw an ellipse, its radii enlarged by `grow`."""
        x, y, along, across, rotation = shape
        if rotation:
            self.polygon(outline((x, y, along + grow, across + grow, rotation)), color, part)
            return
        box = (x - along - grow, y - across - grow, x + along + grow, y + across + grow)
        self._draw.ellipse([value * SUPER for value in box], fill=color)
        self._map.ellipse(box, fill=PARTS.index(part))

    def mask(self, shape: Shape) -> None:
        """Draw an ellipse in full strength, on a stencil (a picture in mode L)."""
        corners = outline(shape)
        self._draw.polygon([(x * SUPER, y * SUPER) for x, y in corners], fill=255)

    def polygon(self, points: list[Point], color: Rgb, part: str) -> None:
        """Draw a filled polygon."""
        self._draw.polygon([(x * SUPER, y * SUPER) for x, y in points], fill=color)
        self._map.polygon(points, fill=PARTS.index(part))

    def stroke(self, points: list[Point], color: Rgb, width: float, part: str) -> None:
        """Draw a thick line with round ends and joints."""
        scaled = [(x * SUPER, y * SUPER) for x, y in points]
        self._draw.line(scaled, fill=color, width=round(width * SUPER))
        self._map.line(points, fill=PARTS.index(part), width=round(width))
        radius = width * SUPER / 2
        for x, y in scaled:
            self._draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=color)

    def ring(self, center: Point, radius: float, color: Rgb, width: float, part: str) -> None:
        """Draw an unfilled circle, `width` thick."""
        x, y = center
        box = (x - radius, y - radius, x + radius, y + radius)
        self._draw.ellipse([value * SUPER for value in box], outline=color, width=round(width * SUPER))
        self._map.ellipse(box, outline=PARTS.index(part), width=round(width))


def outline(shape: Shape, corners: int = 36) -> list[Point]:
    """Return the corners of a rotated ellipse."""
    x, y, along, across, rotation = shape
    cos, sin = math.cos(rotation), math.sin(rotation)
    angles = (index * math.tau / corners for index in range(corners))
    offsets = ((along * math.cos(angle), across * math.sin(angle)) for angle in angles)
    return [(x + u * cos - v * sin, y + u * sin + v * cos) for u, v in offsets]


def point_on(shape: Shape, u: float, v: float) -> Point:
    """Return the point at (u, v) in an ellipse's own axes, where its edge lies at distance 1."""
    x, y, along, across, rotation = shape
    cos, sin = math.cos(rotation), math.sin(rotation)
    return x + along * u * cos - across * v * sin, y + along * u * sin + across * v * cos


def new_parts() -> Image.Image:
    """Return an empty map of parts, 64x64."""
    return Image.new("L", (SIZE, SIZE), 0)
