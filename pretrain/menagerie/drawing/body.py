"""Draws an individual: tail, legs, body and their markings, and where all of it reaches."""

from __future__ import annotations

import math

import numpy as np

from pretrain.menagerie.colors import Rgb, shade
from pretrain.menagerie.drawing.curves import Point, Points, blot, ellipse, limb, turned
from pretrain.menagerie.drawing.figure import Figure, Leg, build_of, fitted
from pretrain.menagerie.drawing.head import draw_head, head_reach, rim
from pretrain.menagerie.drawing.pen import SIZE, Mark, Pen
from pretrain.menagerie.drawing.poses import POSES
from pretrain.menagerie.drawing.wear import draw_headwear, draw_neckwear
from pretrain.menagerie.individual import Individual
from pretrain.menagerie.looks import factor

HOOF: Rgb = (72, 60, 62)


def figure_of(who: Individual, pose: str, size: float, x: float, ground: float) -> Figure:
    """Return the individual's figure in the picture: as large as `size`, or as fits into the frame."""
    figure = POSES[pose](build_of(who))
    (left, top), (right, below) = head_reach(who)
    head, radius = figure.head, figure.radius
    points = [figure.tail, ellipse(figure.body, figure.along, figure.across, figure.turn)]
    points += [leg.line for leg in figure.legs]
    points.append(np.array([(head[0] + left * radius, head[1] + top * radius), (head[0] + right * radius, head[1])]))
    every = np.concatenate(points)
    lift = max(0.0, head[1] + below * radius)  # a long trunk must not reach below the feet
    grown = max(figure.tail_half, figure.legs[0].half) + 1.5
    reach = (
        (float(every[:, 0].min()) - grown, float(every[:, 1].min()) - 1.5 - lift),
        (float(every[:, 0].max()) + grown, 0.0),
    )
    if lift:
        figure = figure.moved(1.0, (0.0, -lift))
    return fitted(figure, reach, size, x=x, ground=ground, frame=SIZE)


def draw_animal(pen: Pen, who: Individual, figure: Figure) -> None:
    """Draw the whole individual, from the far side to the near one."""
    _draw_tail(pen, who, figure)
    for leg in figure.legs:
        if leg.far:
            _draw_leg(pen, who, leg)
    _draw_trunk(pen, who, figure)
    for leg in figure.legs:
        if not leg.far:
            _draw_leg(pen, who, leg)
    if figure.haunch:
        _draw_haunch(pen, who, figure, *figure.haunch)
    draw_neckwear(pen, who, figure)
    draw_head(pen, who, figure)
    draw_headwear(pen, who, figure)


def _end_of(line: Points, half: float, share: float) -> Points:
    """Return what covers the last `share` of a limb, its round end included, cut straight across."""
    steps = np.hypot(*np.diff(line, axis=0).T)
    along = np.concatenate([[0.0], np.cumsum(steps)])
    direction = (line[-1] - line[-2]) / max(1e-6, float(steps[-1]))
    kept = np.linspace(max(0.0, along[-1] - share * (along[-1] + half) + half), along[-1], 6)
    end = np.stack([np.interp(kept, along, line[:, axis]) for axis in (0, 1)], 1)
    if kept[0] >= along[-1] - 1e-6:  # nothing but the round end, or a part of it
        end = line[-1:] + direction * np.array([[(1 - share) * (along[-1] + half) - along[-1]], [2 * half]])
    else:
        end = np.concatenate([end, [line[-1] + direction * 2 * half]])
    slope = np.gradient(end, axis=0)
    normal = np.stack([-slope[:, 1], slope[:, 0]], 1) / np.maximum(1e-6, np.hypot(*slope.T))[:, None] * 1.7 * half
    return np.concatenate([end - normal, (end + normal)[::-1]])


def _draw_leg(pen: Pen, who: Individual, leg: Leg) -> None:
    coat = shade(who.coat, 0.82) if leg.far else who.coat
    which = f"{'front' if leg.front else 'rear'}_{'far' if leg.far else 'near'}"
    marks: list[Mark] = []
    if who.socks:
        height = float(getattr(who.looks, f"sock_{which}"))
        color = shade(who.second, 0.86) if leg.far else who.second
        marks.append(Mark(_end_of(leg.line, leg.half, 0.5 + 0.36 * height), color, f"sock_{which}"))
    elif who.species in ("pig", "sheep", "elephant"):
        foot = leg.line[-1]
        hoof = ellipse((foot[0], foot[1] + leg.half * 0.85), leg.half * 1.3, leg.half * 0.7)
        marks.append(Mark(hoof, HOOF, f"leg_{which}"))
    outline = limb(leg.line, (leg.half * 1.12, leg.half * 0.92, leg.half))
    pen.rimmed(outline, coat, f"leg_{which}", rim(who.coat), marks)


def _trunk_marks(who: Individual, figure: Figure) -> list[Mark]:
    """Return the markings of the back, belly and chest, laid out in the body's own axes."""
    looks, at, marks = who.looks, figure.at, list[Mark]()

    def patch(detail: str, center: Point, along: float, across: float, color: Rgb) -> None:
        outline = ellipse(at(*center), along * figure.along, across * figure.across, figure.turn)
        marks.append(Mark(outline, color, detail))

    if who.front == "belly":
        grown = factor(looks.belly_size, 0.4)
        patch("belly", (0.05, 0.95), 0.9, 0.72 * grown, who.second)
    if who.back == "saddle":
        along, deep = 0.48 * factor(looks.saddle_length, 0.4), 0.85 * factor(looks.saddle_depth, 0.35)
        patch("saddle", (-0.1 + 0.42 * looks.saddle_place, -0.85), along, deep, who.third)
    elif who.back == "stripes":
        half, gap = 0.085 * factor(looks.stripe_width, 0.4), 0.36 * factor(looks.stripe_gap, 0.3)
        for number in range(-3, 4):
            u = -0.12 + gap * number
            top, bottom = at(u + 0.34 * looks.stripe_slant, -1.1), at(u - 0.2 * looks.stripe_slant, 0.55)
            stripe = limb(np.array([top, bottom]), (half * figure.along, half * figure.along * 0.5))
            marks.append(Mark(stripe, who.third, "stripes"))
    elif who.back == "blots":
        for u, v, name in ((0.46, -0.1, "front"), (-0.08, -0.25, "middle"), (-0.62, -0.1, "rear")):
            x, y = (float(getattr(looks, f"blot_{name}_{axis}")) for axis in ("x", "y"))
            radius = 0.35 * factor(float(getattr(looks, f"blot_{name}_size")), 0.5) * figure.across
            center = at(u + 0.2 * x, v + 0.45 * y)
            marks.append(Mark(turned(blot((0, 0), radius, (x, y)), figure.turn) + center, who.third, f"blot_{name}"))
    if who.front == "bib":
        grown = factor(looks.bib_size, 0.4)
        patch("bib", (0.9, 0.2), 0.5 * grown, 0.8 * grown, who.second)
    return marks


def _draw_trunk(pen: Pen, who: Individual, figure: Figure) -> None:
    """Draw body and neck as one."""
    body = ellipse(figure.body, figure.along, figure.across, figure.turn)
    root = figure.at(0.5, -0.02)
    neck = limb(np.array([root, figure.head]), (figure.across * 0.72, figure.radius * 0.5))
    edge = rim(who.coat)
    marks = _trunk_marks(who, figure)
    if who.species == "sheep":
        bumps = _bumps(figure)
        for bump in bumps:
            pen.rim(bump, edge, "body")
        for bump in bumps:
            pen.shape(bump, who.coat, "body", marks)
    pen.rim(neck, edge, "neck")
    pen.rim(body, edge, "body")
    pen.shape(neck, who.coat, "neck", [mark for mark in marks if mark.detail == "bib"])
    pen.shape(body, who.coat, "body", marks)


def _bumps(figure: Figure) -> list[Points]:
    """Return the woolly edge of a sheep."""
    angles = [index * math.tau / 11 for index in range(11)]
    radius = 0.34 * figure.across
    return [ellipse(figure.at(0.93 * math.cos(a), 0.9 * math.sin(a)), radius, radius) for a in angles]


def _draw_haunch(pen: Pen, who: Individual, figure: Figure, center: Point, radius: float) -> None:
    outline = ellipse(center, radius * 1.15, radius)
    pen.shape(outline, who.coat, "body", [mark for mark in _trunk_marks(who, figure) if mark.color == who.third])
    arc = ellipse(center, radius * 1.15, radius, corners=48)[36:52]
    if pen.ink.outline:
        pen.line(arc, rim(who.coat), pen.ink.outline)


def _draw_tail(pen: Pen, who: Individual, figure: Figure) -> None:
    half, line = figure.tail_half, figure.tail
    bushy = who.species in ("fox", "rabbit", "bear", "sheep")
    widths = (half * 0.5, half, half * 1.15, half * 0.55) if bushy else (half * 1.1, half, half * 0.85)
    outline = limb(line, widths)
    marks: list[Mark] = []
    if who.tip:
        marks.append(Mark(_end_of(line, half, 0.42 * factor(who.looks.tip_length, 0.55)), who.second, "tip"))
    pen.rimmed(outline, who.coat, "tail", rim(who.coat), marks)
    if who.species == "elephant":
        end: Point = (float(line[-1, 0]), float(line[-1, 1]))
        pen.shape(ellipse(end, half * 1.7, half * 1.7), who.second if who.tip else rim(who.coat), "tail")
