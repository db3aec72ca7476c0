"""Draws the backgrounds."""

from collections.abc import Callable
from functools import cache

from PIL import Image

from pretrain.drawing.identity import Rgb
from pretrain.drawing.pen import SIZE, SUPER, Pen, Point, new_parts

GROUND = 59.0  # the line that feet stand on


class Canvas:
    """A pen for backgrounds, which have no parts worth naming."""

    def __init__(self, sky: Rgb) -> None:
        self.image = Image.new("RGB", (SIZE * SUPER, SIZE * SUPER), sky)
        self._pen = Pen(self.image, new_parts())

    def box(self, left: float, top: float, right: float, bottom: float, color: Rgb) -> None:
        """Draw a filled rectangle."""
        self.shape([(left, top), (right, top), (right, bottom), (left, bottom)], color)

    def shape(self, points: list[Point], color: Rgb) -> None:
        """Draw a filled polygon."""
        self._pen.polygon(points, color, "background")

    def oval(self, x: float, y: float, along: float, across: float, color: Rgb) -> None:
        """Draw a filled ellipse."""
        self._pen.ellipse((x, y, along, across, 0.0), color, "background")

    def stroke(self, points: list[Point], color: Rgb, width: float) -> None:
        """Draw a thick line."""
        self._pen.stroke(points, color, width, "background")


def _meadow() -> Canvas:
    canvas = Canvas((142, 206, 250))
    canvas.oval(8, 9, 6, 6, (255, 232, 110))
    canvas.oval(52, 50, 34, 20, (138, 204, 104))
    canvas.box(0, 42, 64, 64, (104, 186, 78))
    for x in (4, 59):
        canvas.oval(x, 50, 2.2, 2.2, (255, 250, 250))
    return canvas


def _beach() -> Canvas:
    canvas = Canvas((176, 228, 252))
    canvas.box(0, 24, 64, 42, (36, 132, 208))
    canvas.box(0, 38, 64, 42, (128, 206, 236))
    canvas.box(0, 42, 64, 64, (244, 222, 162))
    canvas.stroke([(7, 44), (7, 14)], (250, 250, 250), 2.4)
    canvas.shape([(-6, 16), (-2, 9), (7, 5), (16, 9), (20, 16)], (232, 70, 66))
    canvas.shape([(2, 16), (4, 7), (7, 5), (10, 7), (12, 16)], (252, 248, 240))
    return canvas


def _snow() -> Canvas:
    canvas = Canvas((176, 194, 214))
    for x in (7, 57):
        for row in range(3):
            half, foot = 10 - 2 * row, 44 - 9 * row
            canvas.shape([(x - half, foot), (x + half, foot), (x, foot - 15)], (56, 108, 96))
    canvas.box(0, 43, 64, 64, (246, 249, 253))
    for x, y in ((21, 6), (34, 12), (46, 5), (25, 20), (41, 24)):
        canvas.oval(x, y, 1.8, 1.8, (250, 252, 255))
    return canvas


def _night() -> Canvas:
    canvas = Canvas((22, 26, 74))
    canvas.oval(9, 11, 7.5, 7.5, (252, 244, 196))
    canvas.oval(13, 9, 6.5, 6.5, (22, 26, 74))
    for x, y in ((24, 7), (36, 13), (48, 5), (58, 17), (5, 30), (57, 34)):
        canvas.oval(x, y, 1.5, 1.5, (252, 246, 190))
    canvas.box(0, 44, 64, 64, (44, 56, 92))
    return canvas


def _city() -> Canvas:
    canvas = Canvas((206, 218, 230))
    walls = ((0, 14, 10, (178, 110, 96)), (16, 14, 22, (136, 140, 158)), (32, 14, 14, (196, 172, 140)),
             (48, 16, 6, (118, 128, 150)))  # fmt: skip
    for left, width, top, color in walls:
        canvas.box(left, top, left + width, 46, color)
        for row in range(top + 4, 40, 9):
            canvas.box(left + 2.5, row, left + 5.5, row + 4.5, (252, 232, 140))
            canvas.box(left + width - 5.5, row, left + width - 2.5, row + 4.5, (252, 232, 140))
    canvas.box(0, 44, 64, 64, (98, 98, 106))
    for left in (2, 26, 50):
        canvas.box(left, 60, left + 12, 63, (246, 220, 84))
    return canvas


def _desert() -> Canvas:
    canvas = Canvas((252, 206, 138))
    canvas.oval(53, 11, 7, 7, (255, 246, 206))
    canvas.oval(46, 56, 40, 22, (226, 164, 88))
    canvas.box(0, 45, 64, 64, (236, 182, 104))
    green = (70, 142, 76)
    canvas.stroke([(7, 50), (7, 16)], green, 6)
    canvas.stroke([(1, 24), (1, 32), (7, 34)], green, 4)
    canvas.stroke([(14, 20), (14, 28), (7, 30)], green, 4)
    return canvas


def _forest() -> Canvas:
    canvas = Canvas((176, 214, 168))
    for x in (4, 21, 43, 60):
        canvas.box(x - 3.5, 10, x + 3.5, 48, (104, 72, 48))
    for x in (4, 22, 42, 61):
        canvas.oval(x, 7, 12, 10, (46, 120, 62))
    canvas.box(0, 46, 64, 64, (78, 112, 58))
    return canvas


def _room() -> Canvas:
    canvas = Canvas((238, 208, 176))
    canvas.box(3, 5, 23, 27, (252, 252, 250))
    canvas.box(5, 7, 12, 25, (150, 208, 244))
    canvas.box(14, 7, 21, 25, (150, 208, 244))
    canvas.box(0, 45, 64, 64, (168, 116, 74))
    canvas.box(0, 43.5, 64, 46, (252, 248, 240))
    canvas.oval(32, 58, 29, 5.5, (178, 66, 76))
    return canvas


def _plain() -> Canvas:
    return Canvas((226, 222, 236))


_PLACES: dict[str, Callable[[], Canvas]] = {
    "meadow": _meadow,
    "beach": _beach,
    "snow": _snow,
    "night": _night,
    "city": _city,
    "desert": _desert,
    "forest": _forest,
    "room": _room,
    "plain": _plain,
}


@cache
def background(place: str) -> Image.Image:
    """Return the place without the animal, supersampled; always the same, and not to be drawn upon (copy it)."""
    return _PLACES[place]().image
