"""Where the parts of an animal lie in each pose."""

from dataclasses import dataclass

from pretrain.drawing.identity import Identity
from pretrain.drawing.pen import Point, Shape
from pretrain.drawing.places import GROUND

# How much rounder a species' body is, how thick its legs, how large all of it.
_GIRTH = {"pig": 1.16, "bear": 1.16, "sheep": 1.12, "elephant": 1.18, "fox": 0.88, "cat": 0.92}
_LEGS = {"elephant": 8.5, "bear": 8.0, "fox": 5.5, "cat": 5.5, "sheep": 5.5}
_SCALE = {"rabbit": 0.93, "bear": 1.03, "elephant": 1.03}


@dataclass(frozen=True)
class Leg:
    """One leg, hip to foot; the far ones are behind the body."""

    hip: Point
    foot: Point
    far: bool


@dataclass(frozen=True)
class Figure:
    """Where the parts of one animal in one pose lie, in pixels of the 64 px picture, facing right."""

    body: Shape
    head: Point
    radius: float  # of the head
    legs: tuple[Leg, ...]
    tail: Point
    lift: float  # which way the tail points: 1 up, 0 level
    leg_width: float
    haunch: Shape | None = None
    asleep: bool = False


def _legs(hips: list[Point], feet: list[Point]) -> tuple[Leg, ...]:
    return tuple(Leg(hip, foot, index % 2 == 1) for index, (hip, foot) in enumerate(zip(hips, feet, strict=True)))


def _standing() -> Figure:
    hips = [(15.0, 44.0), (21.5, 44.0), (33.0, 44.0), (39.5, 44.0)]
    feet = [(14.0, GROUND), (22.0, GROUND), (32.5, GROUND), (40.5, GROUND)]
    return Figure((26, 40, 18, 11.5, 0.0), (44, 25), 13.5, _legs(hips, feet), (10, 36), 1, 7)


def _running() -> Figure:
    hips = [(15.0, 42.0), (18.0, 43.0), (36.0, 43.0), (39.0, 42.0)]
    feet = [(2.5, 52.0), (14.0, 57.5), (44.0, 57.5), (57.0, 51.0)]
    return Figure((27, 38, 19, 9.8, 0.0), (46, 26), 13.0, _legs(hips, feet), (9, 35), 0.2, 6.6)


def _jumping() -> Figure:
    hips = [(17.0, 42.0), (21.0, 43.0), (37.0, 32.0), (40.0, 31.0)]
    feet = [(5.0, 52.0), (13.0, 55.0), (52.0, 41.0), (60.0, 35.0)]
    return Figure((27, 35, 18.5, 10.4, -0.62), (45, 19), 12.8, _legs(hips, feet), (12, 43), 0, 6.6)


def _sitting() -> Figure:
    legs = _legs([(34.0, 42.0), (29.0, 42.0)], [(37.5, GROUND), (31.0, GROUND)])
    haunch = (20.0, 51.0, 11.0, 8.6, 0.0)
    return Figure((27, 43, 17, 12, -1.15), (34, 22.5), 13.5, legs, (11, 55), 0.6, 6.8, haunch)


def _lying() -> Figure:
    legs = _legs([(38.0, 55.5), (13.0, 56.0)], [(56.0, 57.0), (24.0, 57.5)])
    return Figure((26, 50, 21, 9.6, 0.0), (46, 42.5), 13.2, legs, (5, 51), 0.1, 6, None, True)


_POSES = {"standing": _standing, "sitting": _sitting, "jumping": _jumping, "lying": _lying, "running": _running}


def figure_of(who: Identity, pose: str, shift: float) -> Figure:
    """Return the figure of this individual in this pose: its proportions applied, scaled about the ground."""
    base = _POSES[pose]()
    scale = who.size * _SCALE.get(who.species, 1.0)
    girth = who.girth * _GIRTH.get(who.species, 1.0)

    def at(point: Point) -> Point:
        return 30 + (point[0] - 30) * scale + shift, GROUND + (point[1] - GROUND) * scale

    def scaled(shape: Shape, rounder: float) -> Shape:
        x, y, along, across, rotation = shape
        return *at((x, y)), along * scale, across * scale * rounder, rotation

    width = base.leg_width * _LEGS.get(who.species, 7) / 7 * scale
    return Figure(
        body=scaled(base.body, girth),
        head=at(base.head),
        radius=base.radius * who.head * scale,
        legs=tuple(Leg(at(leg.hip), (at(leg.foot)[0], at(leg.foot)[1] - width / 2), leg.far) for leg in base.legs),
        tail=at(base.tail),
        lift=base.lift,
        leg_width=width,
        haunch=scaled(base.haunch, 1.0) if base.haunch else None,
        asleep=base.asleep,
    )
