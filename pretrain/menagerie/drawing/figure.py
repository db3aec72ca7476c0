"""How an individual's parts lie in a pose: its proportions applied, fitted into the frame."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from pretrain.menagerie.drawing.curves import Point, Points
from pretrain.menagerie.individual import Individual
from pretrain.menagerie.looks import factor

MARGIN = 3.0  # pixels between the animal and the frame


@dataclass(frozen=True)
class Build:
    """A body's measures in pixels at size 1: half length and half height, legs, neck, the head's radius, the tail."""

    along: float
    across: float
    leg: float
    leg_half: float
    neck: float
    head: float
    tail: float
    tail_half: float
    curl: float


_SPECIES: dict[str, Build] = {
    "dog": Build(29, 17.5, 22, 5.6, 9, 21, 30, 4.2, 0.5),
    "cat": Build(28, 15.5, 20, 4.4, 7, 20, 38, 3.4, 0.9),
    "rabbit": Build(25, 18.5, 15, 5.2, 4, 20, 10, 7.2, 0.2),
    "bear": Build(30, 22.0, 19, 8.0, 4, 22, 9, 5.6, 0.2),
    "fox": Build(29, 15.0, 21, 4.2, 7, 19.5, 40, 8.6, 0.4),
    "pig": Build(30, 21.0, 14, 5.4, 4, 20.5, 25, 2.7, 1.2),
    "sheep": Build(28, 20.5, 18, 4.2, 7, 17.5, 13, 5.0, 0.3),
    "elephant": Build(30, 22.5, 22, 8.4, 4, 22, 26, 2.4, 0.3),
}


def build_of(who: Individual) -> Build:
    """Return this individual's measures."""
    base, looks = _SPECIES[who.species], who.looks
    return Build(
        along=base.along * factor(looks.body_length, 0.22),
        across=base.across * factor(looks.girth, 0.26),
        leg=base.leg * factor(looks.leg_length, 0.45),
        leg_half=base.leg_half * factor(looks.leg_thickness, 0.34),
        neck=base.neck + 9 * looks.neck_length,
        head=base.head * factor(looks.head_size, 0.2),
        tail=base.tail * factor(looks.tail_length, 0.36),
        tail_half=base.tail_half * factor(looks.tail_thickness, 0.4),
        curl=base.curl + 0.75 * looks.tail_curl,
    )


@dataclass(frozen=True)
class Leg:
    """One leg: its line from hip to foot, and which it is."""

    line: Points
    half: float
    front: bool
    far: bool


@dataclass(frozen=True)
class Figure:
    """Where the parts lie, in pixels of the picture, facing right; the body is an ellipse turned by `turn`."""

    body: Point
    along: float
    across: float
    turn: float
    chest: Point  # where the neck begins
    head: Point
    radius: float
    legs: tuple[Leg, ...]
    tail: Points
    tail_half: float
    ground: Point  # the middle of the shadow
    shadow: float
    haunch: tuple[Point, float] | None = None

    def at(self, u: float, v: float) -> Point:
        """Return the point at (u, v) in the body's own axes, where its edge lies at distance 1; v points down."""
        cos, sin = math.cos(self.turn), math.sin(self.turn)
        x, y = self.along * u, self.across * v
        return self.body[0] + x * cos - y * sin, self.body[1] + x * sin + y * cos

    def moved(self, scale: float, shift: Point) -> Figure:
        """Return the figure scaled about (0, 0) and then moved."""

        def at(point: Point) -> Point:
            return point[0] * scale + shift[0], point[1] * scale + shift[1]

        return Figure(
            body=at(self.body),
            along=self.along * scale,
            across=self.across * scale,
            turn=self.turn,
            chest=at(self.chest),
            head=at(self.head),
            radius=self.radius * scale,
            legs=tuple(replace(leg, line=leg.line * scale + shift, half=leg.half * scale) for leg in self.legs),
            tail=self.tail * scale + shift,
            tail_half=self.tail_half * scale,
            ground=at(self.ground),
            shadow=self.shadow * scale,
            haunch=(at(self.haunch[0]), self.haunch[1] * scale) if self.haunch else None,
        )


def tail_line(build: Build, root: Point, rise: float) -> Points:
    """Return a tail's line: from the body backwards, rising by the angle `rise`, bent upwards as it curls."""
    steps = 9
    angle = math.pi + rise
    points = [root]
    for _ in range(steps):
        x, y = points[-1]
        points.append((x + build.tail / steps * math.cos(angle), y + build.tail / steps * math.sin(angle)))
        angle += build.curl * math.pi / steps
    return np.array(points)


def fitted(figure: Figure, reach: tuple[Point, Point], size: float, *, x: float, ground: float, frame: float) -> Figure:
    """Return the figure in the picture: as large as `size` if it fits, its feet at `ground`, its middle near `x`.

    `reach`: the corners, left above and right below, of all that belongs to it.
    """
    (left, top), (right, _) = reach
    room = frame - 2 * MARGIN
    scale = min(size, room / (right - left), (ground - MARGIN) / -top)
    middle = min(max(x, MARGIN - left * scale), frame - MARGIN - right * scale)
    return figure.moved(scale, (middle, ground))
