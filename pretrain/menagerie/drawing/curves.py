"""Outlines of shapes as arrays of points: ellipses, limbs, leaves, blots."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

Point = tuple[float, float]
Points = NDArray[np.float64]  # (N, 2)


@cache
def _circle(corners: int) -> Points:
    angles = np.arange(corners) * (math.tau / corners)
    return np.stack([np.cos(angles), np.sin(angles)], 1)


def turned(points: Points, angle: float) -> Points:
    """Return the points turned about (0, 0), in radians; y points down, so positive turns are clockwise."""
    cos, sin = math.cos(angle), math.sin(angle)
    found: Points = points @ np.array([[cos, sin], [-sin, cos]])
    return found


def ellipse(center: Point, along: float, across: float, angle: float = 0.0, corners: int = 40) -> Points:
    """Return an ellipse's outline, (corners, 2)."""
    outline: Points = turned(_circle(corners) * (along, across), angle) + center
    return outline


def rounded(center: Point, along: float, across: float, square: float) -> Points:
    """Return an ellipse's outline made fuller at its corners: square 0 is an ellipse, 1 nearly a box."""
    unit = _circle(40)
    power = 1 / (1 + square)
    outline: Points = np.sign(unit) * np.abs(unit) ** power * (along, across) + center
    return outline


def spline(points: Points, steps: int = 5) -> Points:
    """Return a smooth open line through the points (Catmull-Rom)."""
    if len(points) == 2:
        share = np.linspace(0, 1, steps + 1)[:, None]
        line: Points = points[0] * (1 - share) + points[1] * share
        return line
    padded = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    pieces = []
    for a, b, c, d in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        pieces.append(0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - 3 * c + d - a) * t**3))
    return np.concatenate([*pieces, points[-1:]])


def limb(points: Points, widths: tuple[float, ...]) -> Points:
    """Return the outline of a limb along a smooth line, as wide (half) as told at even steps, with round ends."""
    line = spline(points)
    half = np.interp(np.linspace(0, len(widths) - 1, len(line)), range(len(widths)), widths)[:, None]
    along = np.gradient(line, axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-6)
    normal = along[:, ::-1] * (1, -1)
    arc = np.linspace(0, math.pi, 9)[1:-1, None]
    end = line[-1] + half[-1] * (normal[-1] * np.cos(arc) + along[-1] * np.sin(arc))
    start = line[0] - half[0] * (normal[0] * np.cos(arc) + along[0] * np.sin(arc))
    return np.concatenate([line + half * normal, end, (line - half * normal)[::-1], start])


def leaf(base: Point, angle: float, length: float, half: float, *, pointed: float, bend: float = 0.0) -> Points:
    """Return an ear: from its base upwards, leaning by `angle`, round (pointed 0) or a triangle (1), bent sideways."""
    s = np.linspace(0, 1, 12)
    blunt = np.sqrt(np.clip(1 - np.abs(2 * s - 0.9) ** 2.4 / 1.1, 0, 1)) * 0.94 + 0.06 * (1 - s)
    width = half * (pointed * (1 - s**1.3) + (1 - pointed) * blunt)
    x = bend * length * s**2
    y = -length * s
    shape = np.concatenate([np.stack([x - width, y], 1), np.stack([x + width, y], 1)[::-1]])
    outline: Points = turned(shape, angle) + base
    return outline


def blot(center: Point, radius: float, wobble: Point) -> Points:
    """Return a round shape with soft lobes; `wobble` (each -1..1) says how two and three of them lie."""
    unit = _circle(28)
    angles = np.arange(28) * (math.tau / 28)
    radii = 1 + 0.16 * np.cos(2 * angles + 3 * wobble[0]) + 0.13 * np.cos(3 * angles + 3 * wobble[1])
    outline: Points = unit * (radius * radii)[:, None] + center
    return outline
