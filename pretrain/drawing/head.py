"""Draws a species' head: ears, face, eyes."""

from collections.abc import Callable

from pretrain.drawing.figure import Figure
from pretrain.drawing.identity import Identity, Rgb, rim, shade
from pretrain.drawing.pen import EDGE, Pen, Point, Shape
from pretrain.drawing.wear import draw_headwear

EYE_WHITE: Rgb = (252, 252, 252)
EYE_DARK: Rgb = (30, 26, 34)
NOSE: Rgb = (46, 36, 40)
PINK: Rgb = (236, 134, 150)
CREAM: Rgb = (250, 244, 232)


class Face:
    """Draws in a head's own units: its center is (0, 0), its radius 1, x to the right, y down."""

    def __init__(self, pen: Pen, who: Identity, figure: Figure) -> None:
        self.pen, self.who, self.asleep = pen, who, figure.asleep
        self._x, self._y = figure.head
        self._radius = figure.radius
        self.coat = who.coat_rgb
        self.rim = rim(self.coat)

    def at(self, u: float, v: float) -> Point:
        """Return a point of the head in pixels."""
        return self._x + u * self._radius, self._y + v * self._radius

    def oval(self, shape: Shape, color: Rgb, part: str, grow: float = 0.0) -> None:
        """Draw an ellipse without a rim; `grow` is in pixels."""
        u, v, along, across, turn = shape
        self.pen.ellipse((*self.at(u, v), along * self._radius, across * self._radius, turn), color, part, grow)

    def rimmed(self, shape: Shape, color: Rgb, part: str) -> None:
        """Draw an ellipse with a rim."""
        self.oval(shape, self.rim, part, EDGE)
        self.oval(shape, color, part)

    def ear(self, u: float, half: float, tip: float, color: Rgb, lean: float = 0.0) -> None:
        """Draw an upright triangle `half` as wide to each side, up to `tip`, with its rim."""
        for grow, paint in ((0.09, self.rim), (-0.09, color)):
            feet = [self.at(u - half - grow, -0.5), self.at(u + half + grow, -0.5)]
            self.pen.polygon([*feet, self.at(u + lean, tip - 1.5 * grow)], paint, "ear")

    def stroke(self, points: list[Point], color: Rgb, width: float, part: str) -> None:
        """Draw a thick line; its width is in pixels."""
        self.pen.stroke([self.at(u, v) for u, v in points], color, width, part)


def _dog_back(face: Face) -> None:
    face.rimmed((0.62, 0.0, 0.34, 0.72, -0.25), shade(face.coat, 0.72), "ear")


def _dog_front(face: Face) -> None:
    ear = face.who.second_rgb if face.who.pattern in ("patch", "spots") else shade(face.coat, 0.72)
    face.rimmed((-0.8, 0.02, 0.36, 0.8, 0.22), ear, "ear")
    face.oval((0.42, 0.42, 0.5, 0.38, 0), _muzzle(face), "face")
    face.oval((0.52, 0.26, 0.22, 0.17, 0), NOSE, "face")


def _cat_back(face: Face) -> None:
    for u in (-0.58, 0.52):
        face.ear(u, 0.42, -1.45, face.coat)
        face.oval((u, -0.82, 0.15, 0.26, 0), PINK, "ear")


def _cat_front(face: Face) -> None:
    face.oval((0.36, 0.44, 0.38, 0.28, 0), _muzzle(face), "face")
    face.oval((0.38, 0.28, 0.14, 0.11, 0), PINK, "face")


def _rabbit_back(face: Face) -> None:
    for u, turn in ((-0.5, -0.28), (0.12, 0.06)):
        face.rimmed((u, -1.15, 0.27, 0.72, turn), face.coat, "ear")
        face.oval((u, -1.15, 0.13, 0.52, turn), PINK, "ear")


def _rabbit_front(face: Face) -> None:
    face.oval((0.36, 0.46, 0.4, 0.3, 0), _muzzle(face), "face")
    face.oval((0.4, 0.28, 0.14, 0.11, 0), PINK, "face")
    face.oval((0.4, 0.62, 0.13, 0.14, 0), EYE_WHITE, "face")


def _bear_back(face: Face) -> None:
    for u in (-0.72, 0.66):
        face.rimmed((u, -0.74, 0.36, 0.36, 0), face.coat, "ear")
        face.oval((u, -0.72, 0.19, 0.19, 0), shade(face.coat, 0.66), "ear")


def _bear_front(face: Face) -> None:
    face.oval((0.4, 0.4, 0.5, 0.4, 0), _muzzle(face), "face")
    face.oval((0.44, 0.22, 0.22, 0.16, 0), NOSE, "face")


def _fox_back(face: Face) -> None:
    for u in (-0.62, 0.5):
        face.ear(u, 0.4, -1.5, shade(face.coat, 0.5), 0.02)
        face.oval((u, -0.72, 0.14, 0.2, 0), CREAM, "ear")


def _fox_front(face: Face) -> None:
    edge = [face.at(0.1, 0.02), face.at(1.42, 0.36), face.at(0.3, 0.95), face.at(-0.5, 0.62)]
    face.pen.polygon(edge, face.rim, "face")
    snout = [face.at(0.12, 0.12), face.at(1.28, 0.38), face.at(0.3, 0.86), face.at(-0.4, 0.6)]
    face.pen.polygon(snout, CREAM, "face")
    face.oval((1.26, 0.36, 0.2, 0.17, 0), NOSE, "face")


def _pig_back(face: Face) -> None:
    for u, lean in ((-0.6, -0.22), (0.52, 0.2)):
        face.ear(u, 0.36, -1.2, shade(face.coat, 0.86), lean)


def _pig_front(face: Face) -> None:
    color = _muzzle(face) if face.who.pattern == "belly" else shade(face.coat, 0.86)
    face.rimmed((0.48, 0.34, 0.44, 0.34, 0), color, "face")
    for u in (0.32, 0.64):
        face.oval((u, 0.34, 0.1, 0.16, 0), NOSE, "face")


def _sheep_back(face: Face) -> None:
    for u, turn in ((-0.95, -0.5), (0.9, 0.5)):
        face.rimmed((u, -0.05, 0.36, 0.2, turn), _skin(face), "ear")


def _sheep_front(face: Face) -> None:
    for u, v in ((-0.55, -0.72), (0.0, -0.88), (0.52, -0.72)):
        face.rimmed((u, v, 0.36, 0.32, 0), face.coat, "head")
    face.oval((0.0, -0.68, 0.5, 0.26, 0), face.coat, "head")
    face.oval((0.42, 0.5, 0.26, 0.16, 0), shade(_skin(face), 0.6), "face")


def _elephant_front(face: Face) -> None:
    face.rimmed((-0.72, 0.0, 0.6, 0.86, 0), face.coat, "ear")
    face.oval((-0.7, 0.04, 0.38, 0.58, 0), shade(face.coat, 0.74), "ear")
    trunk = [(0.62, 0.3), (1.05, 0.62), (1.06, 1.2), (1.3, 1.42)]
    face.stroke(trunk, face.rim, 8.6, "face")
    face.stroke(trunk, face.coat, 6.4, "face")


def _muzzle(face: Face) -> Rgb:
    if face.who.pattern == "belly":
        return face.who.second_rgb
    return shade(face.coat, 1.25) if 160 < sum(face.coat) < 560 else CREAM if sum(face.coat) >= 560 else (128, 122, 126)


def _skin(face: Face) -> Rgb:
    return (84, 72, 76) if sum(face.coat) > 330 else (222, 196, 176)


_BACK: dict[str, Callable[[Face], None]] = {
    "dog": _dog_back, "cat": _cat_back, "rabbit": _rabbit_back, "bear": _bear_back,
    "fox": _fox_back, "pig": _pig_back, "sheep": _sheep_back, "elephant": lambda _: None,
}  # fmt: skip
_FRONT: dict[str, Callable[[Face], None]] = {
    "dog": _dog_front, "cat": _cat_front, "rabbit": _rabbit_front, "bear": _bear_front,
    "fox": _fox_front, "pig": _pig_front, "sheep": _sheep_front, "elephant": _elephant_front,
}  # fmt: skip


def _draw_eyes(face: Face) -> None:
    for u in (-0.06, 0.6):
        if face.asleep:
            dark = sum(face.coat if face.who.species != "sheep" else _skin(face)) < 260
            color = (236, 228, 214) if dark else EYE_DARK
            face.stroke([(u - 0.17, -0.08), (u, 0.02), (u + 0.17, -0.08)], color, 2.0, "face")
        else:
            face.oval((u, -0.1, 0.24, 0.28, 0), EYE_WHITE, "face")
            face.oval((u + 0.06, -0.08, 0.17, 0.22, 0), EYE_DARK, "face")


def draw_head(pen: Pen, who: Identity, figure: Figure) -> None:
    """Ears, head, what the species has in its face, eyes, and what is worn up there."""
    face = Face(pen, who, figure)
    _BACK[who.species](face)
    face.rimmed((0, 0, 1.0, 0.94, 0), _skin(face) if who.species == "sheep" else face.coat, "head")
    if who.pattern == "patch" and who.species != "sheep":
        face.oval((-0.1, -0.2, 0.42, 0.5, 0), who.second_rgb, "pattern")
    _FRONT[who.species](face)
    _draw_eyes(face)
    draw_headwear(pen, who, figure)
