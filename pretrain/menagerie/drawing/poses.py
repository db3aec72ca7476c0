"""The poses: where body, head, legs and tail lie in each, for any proportions; feet stand at y = 0."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from pretrain.menagerie.drawing.curves import Point
from pretrain.menagerie.drawing.figure import Build, Figure, Leg, tail_line


def _toward(start: Point, angle: float, length: float) -> Point:
    """Return the point `length` away, at an angle from straight down, forwards if positive; in radians."""
    return start[0] + length * math.sin(angle), start[1] + length * math.cos(angle)


def _leg(build: Build, hip: Point, foot: Point, front: bool, far: bool) -> Leg:
    """Return a leg that ends with its paw upon `foot`, its line inset so that the round end touches it."""
    x, y = foot
    length = max(1.0, math.hypot(x - hip[0], y - hip[1]))
    inset = build.leg_half / length
    end = (x + (hip[0] - x) * inset, y + (hip[1] - y) * inset)
    return Leg(np.array([hip, end]), build.leg_half, front, far)


def _axis(body: Point, turn: float, build: Build) -> Callable[[float, float], Point]:
    cos, sin = math.cos(turn), math.sin(turn)

    def at(u: float, v: float) -> Point:
        x, y = build.along * u, build.across * v
        return body[0] + x * cos - y * sin, body[1] + x * sin + y * cos

    return at


def _head(build: Build, chest: Point, angle: float) -> Point:
    """Return the head's center: beyond the neck, which leans forward by `angle` from upright."""
    length = build.neck + 0.62 * build.head
    return chest[0] + length * math.sin(angle), chest[1] - length * math.cos(angle)


def _standing(build: Build) -> Figure:
    body = (0.0, -build.leg - 0.72 * build.across)
    at = _axis(body, 0.0, build)
    spread, inward = 0.66, 0.40
    legs = tuple(
        _leg(build, at(u, 0.45), (at(u, 0)[0] + lean, 0.0), front=u > 0, far=far)
        for u, lean, far in ((-inward, 1.5, True), (spread, 2.0, True), (-spread, -1.5, False), (inward, -1.0, False))
    )
    chest = at(0.72, -0.45)
    return Figure(
        body, build.along, build.across, 0.0, chest, _head(build, chest, 0.5), build.head, legs,
        tail_line(build, at(-0.86, -0.4), 0.5), build.tail_half, (2.0, 0.0), build.along * 1.25,
    )  # fmt: skip


def _running(build: Build) -> Figure:
    body = (0.0, -0.78 * build.leg - 0.8 * build.across)
    at = _axis(body, -0.08, build)
    angles = ((-0.62, -1.0, True), (0.62, 1.15, True), (-0.6, -0.55, False), (0.62, 0.62, False))
    legs = tuple(
        _leg(build, at(u, 0.4), _toward(at(u, 0.4), angle, build.leg + 0.35 * build.across), front=u > 0, far=far)
        for u, angle, far in angles
    )
    chest = at(0.78, -0.38)
    return Figure(
        body, build.along, build.across, -0.08, chest, _head(build, chest, 0.95), build.head, legs,
        tail_line(build, at(-0.88, -0.3), 0.4), build.tail_half, (2.0, 0.0), build.along * 1.2,
    )  # fmt: skip


def _jumping(build: Build) -> Figure:
    turn = -0.6
    body = (0.0, -0.75 * build.leg - 0.75 * build.across - 13)
    at = _axis(body, turn, build)
    angles = ((-0.66, -0.75, True), (0.66, 1.5, True), (-0.6, -0.3, False), (0.55, 1.1, False))
    legs = tuple(
        _leg(build, at(u, 0.4), _toward(at(u, 0.4), angle, build.leg + 0.35 * build.across), front=u > 0, far=far)
        for u, angle, far in angles
    )
    chest = at(0.78, -0.25)
    return Figure(
        body, build.along, build.across, turn, chest, _head(build, chest, 0.5), build.head, legs,
        tail_line(build, at(-0.9, -0.1), -0.15), build.tail_half, (2.0, 0.0), build.along * 0.75,
    )  # fmt: skip


def _sitting(build: Build) -> Figure:
    chest_height = build.leg + 0.75 * build.across
    rise = min(0.92, max(0.5, (chest_height - 0.55 * build.across) / (1.3 * build.along)))
    turn = -math.asin(rise) - 0.12
    rear = (-0.55 * build.along, -0.78 * build.across)
    body = (rear[0] + 0.62 * build.along * math.cos(turn), rear[1] + 0.62 * build.along * math.sin(turn))
    at = _axis(body, turn, build)
    shoulders = ((at(0.42, 0.62), 3.5, True), (at(0.34, 0.35), -0.5, False))
    legs = tuple(_leg(build, hip, (hip[0] + lean, 0.0), front=True, far=far) for hip, lean, far in shoulders)
    haunch = (rear[0] + 0.2 * build.along, -0.72 * build.across)
    paw = (haunch[0] + 0.35 * build.across + 0.62 * build.leg, 0.0)
    hind = _leg(
        build,
        (haunch[0] + 0.55 * build.across, -build.leg_half),
        (paw[0] + 0.3 * build.across, -build.leg_half),
        front=False,
        far=False,
    )
    chest = at(0.74, -0.2)
    return Figure(
        body, build.along, build.across, turn, chest, _head(build, chest, 0.3), build.head, (*legs, hind),
        tail_line(build, (rear[0] - 0.45 * build.across, -0.55 * build.across), 0.35), build.tail_half,
        (2.0, 0.0), build.along * 1.05, (haunch, 0.7 * build.across),
    )  # fmt: skip


def _lying(build: Build) -> Figure:
    body = (0.0, -0.93 * build.across)
    at = _axis(body, 0.0, build)
    level = -build.leg_half
    reach = build.leg + 0.2 * build.across
    legs = (
        _leg(build, at(0.6, 0.45), (at(0.6, 0)[0] + reach + 8, level - 4), front=True, far=True),
        _leg(build, at(0.45, 0.6), (at(0.45, 0)[0] + reach, level), front=True, far=False),
        _leg(
            build,
            (at(-0.52, 0)[0] + 0.5 * build.across, level),
            (at(-0.52, 0)[0] + 0.5 * build.across + 0.75 * reach, level),
            front=False,
            far=False,
        ),
    )
    chest = at(0.74, -0.35)
    return Figure(
        body, build.along, build.across, 0.0, chest, _head(build, chest, 0.75), build.head, legs,
        tail_line(build, at(-0.93, 0.1), 0.3), build.tail_half, (4.0, 0.0), build.along * 1.4,
        (at(-0.52, 0.25), 0.66 * build.across),
    )  # fmt: skip


POSES: dict[str, Callable[[Build], Figure]] = {
    "standing": _standing,
    "sitting": _sitting,
    "jumping": _jumping,
    "lying": _lying,
    "running": _running,
}
