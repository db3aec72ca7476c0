"""Draws an individual's body, legs, tail and markings."""

import math

from PIL import Image

from pretrain.drawing.figure import Figure, Leg
from pretrain.drawing.head import draw_head
from pretrain.drawing.identity import Identity, Rgb, rim, shade
from pretrain.drawing.pen import EDGE, PARTS, SIZE, SUPER, Pen, Point, Shape, point_on
from pretrain.drawing.wear import draw_neckwear

HOOF: Rgb = (74, 60, 62)


def draw_animal(pen: Pen, who: Identity, figure: Figure) -> None:
    """Draw the whole individual, from the far side to the near one."""
    _draw_tail(pen, who, figure)
    for leg in figure.legs:
        if leg.far:
            _draw_leg(pen, who, figure, leg)
    _draw_body(pen, who, figure)
    if figure.haunch:
        pen.ellipse(figure.haunch, rim(who.coat_rgb), "body", EDGE)
        pen.ellipse(figure.haunch, who.coat_rgb, "body")
    for leg in figure.legs:
        if not leg.far:
            _draw_leg(pen, who, figure, leg)
    draw_neckwear(pen, who, figure)
    draw_head(pen, who, figure)


def _draw_leg(pen: Pen, who: Identity, figure: Figure, leg: Leg) -> None:
    width = figure.leg_width
    coat = shade(who.coat_rgb, 0.84) if leg.far else who.coat_rgb
    middle = ((leg.hip[0] + leg.foot[0]) / 2, (leg.hip[1] + leg.foot[1]) / 2)
    pen.stroke([leg.hip, leg.foot], rim(who.coat_rgb), width + 2 * EDGE, "leg")
    pen.stroke([leg.hip, leg.foot], coat, width, "leg")
    if who.pattern == "socks":
        pen.stroke([middle, leg.foot], who.second_rgb, width, "pattern")
    elif who.species in ("pig", "sheep", "elephant"):
        pen.ellipse((leg.foot[0] + 0.4, leg.foot[1] + width * 0.22, width * 0.5, width * 0.3, 0.0), HOOF, "leg")


def _draw_body(pen: Pen, who: Identity, figure: Figure) -> None:
    bumps = _bumps(figure.body) if who.species == "sheep" else [figure.body]
    for bump in bumps:
        pen.ellipse(bump, rim(who.coat_rgb), "body", EDGE)
    for bump in bumps:
        pen.ellipse(bump, who.coat_rgb, "body")
    if who.species == "sheep":
        pen.ellipse(figure.body, who.coat_rgb, "body")
    _draw_pattern(pen, who, figure.body)


def _bumps(body: Shape) -> list[Shape]:
    """Return the woolly edge of a sheep."""
    angles = [index * math.tau / 9 for index in range(9)]
    centers = [point_on(body, 0.88 * math.cos(angle), 0.85 * math.sin(angle)) for angle in angles]
    return [(x, y, 5.6, 5.6, 0.0) for x, y in centers]


_SPOTS: tuple[tuple[tuple[float, float, float], ...], ...] = (
    ((-0.55, -0.25, 4.2), (0.1, 0.3, 4.4), (0.45, -0.6, 3.4)),
    ((-0.6, 0.3, 4.0), (-0.15, -0.5, 4.4), (0.4, 0.35, 3.8)),
    ((-0.75, -0.1, 3.6), (-0.2, 0.2, 4.6), (0.3, -0.45, 4.2)),
)
_PATCHES: tuple[Point, ...] = ((-0.6, -0.2), (-0.25, -0.45), (-0.75, 0.25))


def _draw_pattern(pen: Pen, who: Identity, body: Shape) -> None:
    """Draw the pattern of the coat, cut off at the body's edge."""
    if who.pattern in ("plain", "socks"):
        return
    image = Image.new("RGB", pen.image.size, who.second_rgb)
    stencil = Image.new("L", pen.image.size, 0)
    shapes = Image.new("L", pen.image.size, 0)
    inside, pattern = Pen(stencil, Image.new("L", (SIZE, SIZE))), Pen(shapes, Image.new("L", (SIZE, SIZE)))
    inside.mask(body)
    along, across, rotation = body[2:]
    if who.pattern == "spots":
        for u, v, radius in _SPOTS[who.layout]:
            pattern.mask((*point_on(body, u, v), radius, radius, 0.0))
    elif who.pattern == "stripes":
        for u in (-0.62, -0.1, 0.42):
            pattern.mask((*point_on(body, u + 0.06 * who.layout, 0), 2.3, across * 1.3, rotation))
    elif who.pattern == "patch":
        pattern.mask((*point_on(body, *_PATCHES[who.layout]), along * 0.48, across * 0.75, rotation))
    else:
        pattern.mask((*point_on(body, 0.05, 0.8), along * 0.95, across * 0.75, rotation))
    both = Image.composite(shapes, stencil, stencil)
    pen.image.paste(image, (0, 0), both)
    pen.parts.paste(PARTS.index("pattern"), (0, 0, SIZE, SIZE), both.reduce(SUPER))


def _draw_tail(pen: Pen, who: Identity, figure: Figure) -> None:
    x, y = figure.tail
    coat, edge, lift = who.coat_rgb, rim(who.coat_rgb), figure.lift
    if who.species in ("dog", "cat"):
        long, width = (11, 5.0) if who.species == "dog" else (17, 4.2)
        points = [(x + 4, y), (x - 4, y - 3 * lift), (x - 6 + 2 * lift, y - 3 - long * lift)]
        points = [(max(2.5, px), py) for px, py in points]
        pen.stroke(points, edge, width + 2 * EDGE, "tail")
        pen.stroke(points, coat, width, "tail")
        if who.pattern == "socks":
            pen.stroke(points[-1:] * 2, who.second_rgb, width, "pattern")
    elif who.species == "fox":
        brush: Shape = (max(x - 3, 8.5), y - 3 - 7 * lift, 10.5, 5.6, 0.5 + 0.7 * lift)
        pen.ellipse(brush, edge, "tail", EDGE)
        pen.ellipse(brush, coat, "tail")
        pen.ellipse((*point_on(brush, -0.62, 0), 4.0, 4.0, 0.0), (250, 246, 238), "tail")
    elif who.species == "elephant":
        pen.stroke([(x + 3, y), (x - 3, y + 5), (x - 4, y + 10)], edge, 3.0, "tail")
    elif who.species == "pig":
        pen.ring((x - 1.5, y - 2), 4.0, edge, 2.4, "tail")
    else:
        radius = 5.4 if who.species == "rabbit" else 4.2
        pen.ellipse((x, y, radius, radius, 0.0), edge, "tail", EDGE)
        pen.ellipse((x, y, radius, radius, 0.0), (252, 250, 250) if who.species == "rabbit" else coat, "tail")
