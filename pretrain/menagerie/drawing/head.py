"""Draws a head: ears, skull, markings of the face, muzzle, eyes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pretrain.menagerie.colors import Rgb, light, mixed, shade
from pretrain.menagerie.drawing.curves import Point, Points, ellipse, leaf, limb, rounded, turned
from pretrain.menagerie.drawing.figure import Figure
from pretrain.menagerie.drawing.pen import Mark, Pen
from pretrain.menagerie.individual import Individual
from pretrain.menagerie.looks import factor

EYE_WHITE: Rgb = (252, 252, 250)
DARK: Rgb = (36, 30, 36)
PINK: Rgb = (234, 142, 152)


@dataclass(frozen=True)
class _Ears:
    """A species' ears in radii of the head: where they grow, how long and wide (half), lean, pointed, bent."""

    base: Point  # of the near one; the far one is its mirror image, a little closer
    length: float
    half: float
    lean: float  # outwards, radians
    pointed: float
    behind: bool = True


_EARS = {
    "dog": _Ears((-0.62, -0.52), 0.95, 0.34, -1.9, 0.25, behind=False),
    "cat": _Ears((-0.55, -0.62), 0.85, 0.4, -0.3, 1.0),
    "rabbit": _Ears((-0.4, -0.72), 1.35, 0.3, -0.22, 0.15),
    "bear": _Ears((-0.62, -0.62), 0.56, 0.36, -0.7, 0.0),
    "fox": _Ears((-0.55, -0.6), 1.0, 0.42, -0.3, 1.0),
    "pig": _Ears((-0.55, -0.68), 0.7, 0.36, -0.6, 0.8),
    "sheep": _Ears((-0.8, -0.25), 0.8, 0.27, -1.5, 0.3),
    "elephant": _Ears((-0.5, -0.42), 1.2, 0.66, -2.05, 0.0, behind=False),
}


class Face:
    """Draws in a head's own units: its center is (0, 0), its radius 1, x to the right, y down."""

    def __init__(self, pen: Pen, who: Individual, figure: Figure) -> None:
        self.pen, self.who, self.looks = pen, who, who.looks
        self.center, self.radius = np.array(figure.head), figure.radius
        self.skin = _skin(who)
        self.rim = rim(self.skin)
        self.wide = factor(who.looks.head_width, 0.22)
        self.long = factor(who.looks.muzzle_length, 0.45)
        self.thick = factor(who.looks.muzzle_width, 0.3)

    def px(self, points: Points) -> Points:
        """Return points of the head in pixels."""
        scaled: Points = points * self.radius + self.center
        return scaled

    def shape(self, points: Points, color: Rgb, detail: str, marks: tuple[Mark, ...] = ()) -> None:
        """Draw a shape without an outline."""
        self.pen.shape(self.px(points), color, detail, marks)

    def flat(self, points: Points, color: Rgb, detail: str = "nose") -> None:
        """Draw a shape that is never shaded: eyes, noses."""
        self.pen.shape(self.px(points), color, detail, shaded=False)

    def rimmed(self, points: Points, color: Rgb, detail: str) -> None:
        """Draw a shape with an outline."""
        self.pen.rimmed(self.px(points), color, detail, self.rim)


def rim(color: Rgb) -> Rgb:
    """Return the color of the outline: darker than the coat, but lighter on a black one."""
    return shade(color, 0.5) if light(color) > 0.38 else mixed(color, (150, 146, 156), 0.55)


def _skin(who: Individual) -> Rgb:
    """Return the face's color: a sheep's is not its wool's."""
    if who.species != "sheep":
        return who.coat
    return mixed((70, 60, 64), who.coat, 0.2) if light(who.coat) > 0.55 else mixed((226, 204, 184), who.coat, 0.2)


def _ear(face: Face, near: bool) -> None:
    ears, looks = _EARS[face.who.species], face.looks
    side = 1 if near else -1
    droop = 0.75 * looks.ear_droop * (0.6 if ears.lean < -1.2 else 1.0)
    lean = max(-2.6, ears.lean - droop)
    length = ears.length * factor(looks.ear_length, 0.42)
    half = ears.half * factor(looks.ear_width, 0.34)
    x = ears.base[0] * face.wide if near else -ears.base[0] * face.wide * 0.84
    outline = leaf(
        (x, ears.base[1]), side * lean, length, half, pointed=ears.pointed, bend=-side * 0.22 * (1 + looks.ear_droop)
    )
    color = face.who.third if face.who.ears else face.skin
    detail = "ear_near" if near else "ear_far"
    face.rimmed(outline, color, detail)
    if face.who.species != "dog":
        inner = leaf((x, ears.base[1]), side * lean, length * 0.72, half * 0.5, pointed=ears.pointed, bend=-side * 0.2)
        face.shape(inner, mixed(color, PINK if light(color) > 0.45 else (120, 90, 96), 0.6), detail)


def _marks(face: Face) -> tuple[Mark, ...]:
    """Return what is painted on the skull; its edge cuts it off."""
    who, looks = face.who, face.looks
    if who.face == "mask":  # the lower face up to the eyes, or past them
        top = 0.12 - 0.42 * looks.mask_size
        return (Mark(face.px(rounded((0.25, top + 1.0), 1.3, 1.0, 0.2)), who.second, "mask"),)
    if who.face == "blaze":
        half = 0.17 * factor(looks.blaze_width, 0.6)
        x = 0.27 + 0.2 * looks.blaze_shift
        line = np.array([(x - 0.18, -1.2), (x, -0.2), (0.34, 0.55)])
        return (Mark(face.px(limb(line, (half, half * 0.8, half * 1.7))), who.second, "blaze"),)
    if who.face == "eye patch":
        x = -0.16 if looks.patch_side < 0 else 0.6
        radius = 0.42 * factor(looks.patch_size, 0.32)
        tilt = 0.3 if looks.patch_side < 0 else -0.3
        return (Mark(face.px(ellipse((x, -0.14), radius, radius * 1.15, tilt)), who.third, "patch"),)
    return ()


def _muzzle_color(face: Face) -> Rgb:
    if face.who.face == "mask":
        return mixed(face.who.second, (255, 255, 255), 0.12)
    return mixed(face.skin, (255, 250, 244), 0.42) if light(face.skin) < 0.85 else shade(face.skin, 0.93)


def _round_muzzle(face: Face, long: float, thick: float, nose: float, nose_color: Rgb) -> None:
    """Draw a bulge with a nose at its end: it reaches further out of the head the longer it is."""
    reach, half = long * face.long, thick * face.thick
    x = 0.28 + 0.62 * reach
    face.pen.rim(face.px(ellipse((x, 0.4), 0.34 + 0.3 * reach, half, 0.06)), face.rim, "muzzle")
    face.shape(ellipse((x, 0.4), 0.34 + 0.3 * reach, half, 0.06), _muzzle_color(face), "muzzle")
    end = x + 0.22 + 0.2 * reach
    face.flat(ellipse((end, 0.4 - half * 0.55), nose * 1.15, nose * 0.85), nose_color)
    mouth = np.array([(end - 0.02, 0.4 + half * 0.2), (end - 0.12, 0.4 + half * 0.52), (x - 0.12, 0.42 + half * 0.55)])
    face.pen.line(face.px(mouth), mixed(rim(_muzzle_color(face)), DARK, 0.3), 1.4)


def _fox(face: Face) -> None:
    tip = (0.72 + 0.62 * face.long, 0.42)
    half = 0.34 * face.thick
    line = np.array([(0.1, 0.35), (0.5, 0.4), tip])
    face.pen.rim(face.px(limb(line, (half * 1.45, half, 0.13))), face.rim, "muzzle")
    face.shape(limb(line, (half * 1.45, half, 0.13)), _muzzle_color(face), "muzzle")
    face.flat(ellipse((tip[0] + 0.02, tip[1] - 0.06), 0.17, 0.14), DARK)


def _pig(face: Face) -> None:
    reach, half = 0.2 * face.long, 0.36 * face.thick
    color = mixed(shade(face.skin, 0.9), PINK, 0.3) if face.who.face != "mask" else face.who.second
    outline = limb(np.array([(0.42, 0.34), (0.4 + 2.4 * reach, 0.36)]), (half, half))
    face.rimmed(outline, color, "muzzle")
    front = 0.4 + 2.4 * reach + half * 0.25
    face.rimmed(ellipse((front, 0.36), half * 0.72, half), color, "muzzle")
    for x in (front - half * 0.3, front + half * 0.25):
        face.flat(ellipse((x, 0.36), half * 0.15, half * 0.32), shade(color, 0.45))


def _elephant(face: Face) -> None:
    long, half = 1.35 * face.long, 0.23 * face.thick
    line = np.array([(0.56, 0.18), (0.95, 0.5), (1.02, 0.5 + 0.5 * long), (1.32, 0.56 + 0.72 * long)])
    outline = limb(line, (half * 1.5, half * 1.15, half * 0.9, half * 0.75))
    color = face.who.second if face.who.face == "mask" else face.skin
    face.rimmed(outline, color, "muzzle")


_MUZZLES: dict[str, Callable[[Face], None]] = {
    "dog": lambda face: _round_muzzle(face, 0.72, 0.36, 0.19, DARK),
    "cat": lambda face: _round_muzzle(face, 0.3, 0.29, 0.1, PINK),
    "rabbit": lambda face: _round_muzzle(face, 0.36, 0.31, 0.1, PINK),
    "bear": lambda face: _round_muzzle(face, 0.5, 0.38, 0.2, DARK),
    "fox": _fox,
    "pig": _pig,
    "sheep": lambda face: _round_muzzle(face, 0.56, 0.33, 0.13, DARK),
    "elephant": _elephant,
}


def _eyes(face: Face) -> None:
    size = 0.215 * factor(face.looks.eye_size, 0.36)
    middle = 0.24
    for detail, x in (("eye_rear", middle - 0.38 * face.wide), ("eye_front", middle + 0.36 * face.wide)):
        face.flat(ellipse((x, -0.16), size * 1.06, size * 1.2), shade(face.skin, 0.45), detail)
        face.flat(ellipse((x, -0.16), size * 0.95, size * 1.09), EYE_WHITE, detail)
        face.flat(ellipse((x + 0.2 * size, -0.15), size * 0.75, size * 0.88), face.who.iris, detail)
        face.flat(ellipse((x + 0.26 * size, -0.14), size * 0.42, size * 0.52), DARK, detail)
        face.flat(ellipse((x + 0.05 * size, -0.16 - 0.35 * size), size * 0.22, size * 0.22), EYE_WHITE, detail)


def _wool(face: Face) -> None:
    """Draw a sheep's tuft."""
    bumps = [ellipse((x * face.wide, y), 0.36, 0.32) for x, y in ((-0.6, -0.62), (-0.12, -0.88), (0.4, -0.78))]
    for bump in bumps:
        face.pen.rim(face.px(bump), rim(face.who.coat), "head")
    for bump in bumps:
        face.shape(bump, face.who.coat, "head")


def draw_head(pen: Pen, who: Individual, figure: Figure) -> None:
    """Draw everything of the head but what is worn there."""
    face = Face(pen, who, figure)
    behind = _EARS[who.species].behind
    _ear(face, near=False)
    if behind:
        _ear(face, near=True)
    skull = rounded((0.0, 0.0), face.wide, 0.94, 0.12)
    pen.rim(face.px(skull), face.rim, "head")
    face.shape(skull, face.skin, "head", _marks(face))
    if who.species == "sheep":
        _wool(face)
    _MUZZLES[who.species](face)
    _eyes(face)
    if not behind:
        _ear(face, near=True)


def head_reach(who: Individual) -> tuple[Point, Point]:
    """Return how far a head with its ears, muzzle and hat reaches: corners left above and right below, in radii."""
    ears, looks = _EARS[who.species], who.looks
    droop = 0.75 * looks.ear_droop * (0.6 if ears.lean < -1.2 else 1.0)
    length = ears.length * factor(looks.ear_length, 0.42)
    half = ears.half * factor(looks.ear_width, 0.34)
    lean = max(-2.6, ears.lean - droop)
    bend = -0.22 * (1 + looks.ear_droop)
    tip = turned(np.array([(bend * length, -length)]), lean)[0] + ears.base
    long = factor(looks.muzzle_length, 0.45)
    front = {"elephant": 1.62, "fox": 1.0 + 0.65 * long, "dog": 0.75 + 0.75 * long, "pig": 0.8 + 0.5 * long}
    below = 0.56 + 0.97 * long + 0.3 if who.species == "elephant" else 1.0
    wide = factor(looks.head_width, 0.22)
    left = min(-1.05 * wide, float(tip[0]) - half * abs(math.cos(lean)) - 0.05)
    top = min(-1.25 if who.species == "sheep" else -1.0, float(tip[1]) - half * abs(math.sin(lean)) - 0.05)
    above = {"hat": -2.0}.get(who.wear, top)
    right = max(front.get(who.species, 0.62 + 0.62 * long), 1.05 * wide, -left * 0.84)
    return (left, min(top, above)), (right, below)
