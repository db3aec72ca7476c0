"""Draws what an animal wears, each kind of thing in three cuts."""

from __future__ import annotations

import numpy as np

from pretrain.menagerie.colors import Rgb, light, shade
from pretrain.menagerie.drawing.curves import Point, Points, ellipse, limb, rounded
from pretrain.menagerie.drawing.figure import Figure
from pretrain.menagerie.drawing.pen import Mark, Pen
from pretrain.menagerie.individual import Individual
from pretrain.menagerie.looks import factor

GOLD: Rgb = (244, 204, 78)


def _dark(who: Individual) -> Rgb:
    return shade(who.wear_rgb, 0.5) if light(who.wear_rgb) > 0.4 else (132, 128, 138)


def draw_neckwear(pen: Pen, who: Individual, figure: Figure) -> None:
    """Draw a collar or scarf around the neck; drawn before the head."""
    if who.wear not in ("collar", "scarf"):
        return
    radius = figure.radius
    head, chest = np.array(figure.head), np.array(figure.at(0.45, 0.05))
    down = (chest - head) / max(1.0, float(np.hypot(*(chest - head))))
    side = np.array([down[1], -down[0]])
    half = 0.16 * radius if who.wear == "collar" else 0.27 * radius
    middle = head + down * radius * (0.92 if who.wear == "collar" else 0.95)
    ring = np.array([middle - side * radius * 0.7, middle + down * radius * 0.2, middle + side * radius * 0.7])
    front = middle + down * radius * 0.16 + side * radius * 0.42
    marks: list[Mark] = []
    if who.wear == "scarf" and who.cut == 1:
        for share in (-0.5, -0.1, 0.3):
            stripe = middle + side * radius * share
            band = limb(np.array([stripe - down * radius, stripe + down * radius]), (0.08 * radius, 0.08 * radius))
            marks.append(Mark(band, _dark(who), "wear"))
    if who.wear == "scarf" and who.cut == 2:
        corner = middle + down * radius * 0.95 + side * radius * 0.15
        pen.rimmed(np.array([ring[0], ring[2], corner]), who.wear_rgb, "wear", _dark(who))
    elif who.wear == "scarf":
        end = front + np.array([0.05, 0.95]) * radius
        pen.rimmed(limb(np.array([front, end]), (0.24 * radius, 0.3 * radius)), who.wear_rgb, "wear", _dark(who), marks)
    pen.rimmed(limb(ring, (half, half, half)), who.wear_rgb, "wear", _dark(who), marks)
    if who.wear == "collar":
        _pendant(pen, who, front + down * radius * 0.18, side, radius)


def _pendant(pen: Pen, who: Individual, at: Points, side: Points, radius: float) -> None:
    if who.cut == 1:
        pen.rimmed(ellipse((float(at[0]), float(at[1])), 0.2 * radius, 0.22 * radius), GOLD, "wear", shade(GOLD, 0.55))
    elif who.cut == 2:
        up = np.array([-side[1], side[0]])
        for way in (-1, 1):
            far = at + side * way * 0.5 * radius
            wing = np.array([at, far + up * 0.28 * radius, far - up * 0.28 * radius])
            pen.rimmed(wing, who.wear_rgb, "wear", _dark(who))
        pen.rimmed(
            ellipse((float(at[0]), float(at[1])), 0.13 * radius, 0.15 * radius), who.wear_rgb, "wear", _dark(who)
        )


def draw_headwear(pen: Pen, who: Individual, figure: Figure) -> None:
    """Draw a hat or glasses; drawn after the head."""
    if who.wear == "hat":
        _hat(pen, who, figure)
    elif who.wear == "glasses":
        _glasses(pen, who, figure)


def _hat(pen: Pen, who: Individual, figure: Figure) -> None:
    radius, origin = figure.radius, np.array(figure.head)
    dark = _dark(who)

    def px(points: list[Point]) -> Points:
        found: Points = np.array(points) * radius + origin
        return found

    if who.cut == 0:
        pen.rimmed(px([(-0.5, -0.7), (0.5, -0.7), (0.46, -1.72), (-0.46, -1.72)]), who.wear_rgb, "wear", dark)
        band = px([(-0.5, -0.72), (0.5, -0.72), (0.49, -0.98), (-0.49, -0.98)])
        pen.shape(band, dark, "wear")
        pen.rimmed(limb(px([(-0.78, -0.72), (0.78, -0.72)]), (0.1 * radius, 0.1 * radius)), who.wear_rgb, "wear", dark)
    elif who.cut == 1:
        cone = px([(-0.55, -0.68), (0.6, -0.68), (0.05, -1.85)])
        dots = [
            Mark(ellipse(tuple(px([p])[0]), 0.11 * radius, 0.11 * radius), dark, "wear")
            for p in ((0.0, -0.9), (0.2, -1.2), (-0.1, -1.35))
        ]
        pen.rimmed(cone, who.wear_rgb, "wear", dark, dots)
        pen.rimmed(ellipse(tuple(px([(0.05, -1.85)])[0]), 0.15 * radius, 0.15 * radius), (250, 246, 236), "wear", dark)
    else:
        dome = rounded((0.0, 0.0), 0.82, 0.72, 0.1)
        half = dome[dome[:, 1] <= 0.02] + (0.0, -0.55)
        pen.rimmed(half * radius + origin, who.wear_rgb, "wear", dark)
        pen.rimmed(
            limb(px([(-0.8, -0.55), (0.8, -0.55)]), (0.15 * radius, 0.15 * radius)),
            shade(who.wear_rgb, 0.82),
            "wear",
            dark,
        )
        pen.rimmed(
            ellipse(tuple(px([(0.0, -1.3)])[0]), 0.2 * radius, 0.2 * radius), shade(who.wear_rgb, 0.82), "wear", dark
        )


def _glasses(pen: Pen, who: Individual, figure: Figure) -> None:
    radius, origin = figure.radius, np.array(figure.head)
    wide = factor(who.looks.head_width, 0.16)
    eyes = [(0.24 - 0.38 * wide, -0.15), (0.24 + 0.36 * wide, -0.15)]
    for x, y in eyes:
        lens = rounded((x, y), 0.36, 0.36 if who.cut == 0 else 0.31, 0.0 if who.cut == 0 else 1.6) * radius + origin
        if who.cut == 2:
            pen.rimmed(lens, who.wear_rgb, "wear", _dark(who))
        else:
            pen.line(np.concatenate([lens, lens[:2]]), who.wear_rgb, 2.6)
    bridge = np.array([(eyes[0][0] + 0.34, -0.2), (eyes[1][0] - 0.34, -0.2)]) * radius + origin
    temple = np.array([(eyes[0][0] - 0.34, -0.2), (-0.92 * wide, -0.28)]) * radius + origin
    for line in (bridge, temple):
        pen.line(line, who.wear_rgb, 2.6)
