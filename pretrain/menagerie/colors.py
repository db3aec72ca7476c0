"""Colors of any kind, the words for them, and how far apart two of them look."""

from __future__ import annotations

import colorsys
import math
import random

Rgb = tuple[int, int, int]

# The words; an animal's colors lie anywhere, and are called by the nearest of these.
NAMED: dict[str, Rgb] = {
    "white": (242, 242, 238),
    "gray": (148, 150, 156),
    "black": (48, 45, 52),
    "brown": (122, 76, 44),
    "tan": (212, 172, 122),
    "golden": (228, 178, 58),
    "orange": (236, 124, 36),
    "red": (206, 48, 44),
    "pink": (246, 152, 182),
    "purple": (144, 82, 178),
    "blue": (62, 112, 212),
    "teal": (36, 166, 166),
    "green": (82, 168, 72),
    "yellow": (248, 222, 74),
}
_NATURAL: tuple[Rgb, ...] = (
    (238, 234, 226), (214, 196, 168), (206, 160, 104), (196, 118, 52), (142, 92, 56), (92, 62, 46), (58, 52, 56),
    (122, 122, 128), (176, 172, 172), (226, 142, 64), (238, 204, 132),
)  # fmt: skip
_FAR_ENOUGH = 0.24  # of two colors of one animal


def oklab(rgb: Rgb) -> tuple[float, float, float]:
    """Return lightness 0..1 and two hue axes, in which distances are about as they look (Ottosson's Oklab)."""
    linear = [((c / 255 + 0.055) / 1.055) ** 2.4 if c > 10 else c / 255 / 12.92 for c in rgb]
    r, g, b = linear
    long = (0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b) ** (1 / 3)
    middle = (0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b) ** (1 / 3)
    short = (0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b) ** (1 / 3)
    return (
        0.2104542553 * long + 0.7936177850 * middle - 0.0040720468 * short,
        1.9779984951 * long - 2.4285922050 * middle + 0.4505937099 * short,
        0.0259040371 * long + 0.7827717662 * middle - 0.8086757660 * short,
    )


def distance(one: Rgb, other: Rgb) -> float:
    """Return how different two colors look; black and white are 0.8 apart, neighboring words about 0.15."""
    return math.dist(oklab(one), oklab(other))


_WORDS = {name: oklab(rgb) for name, rgb in NAMED.items()}


def named(rgb: Rgb) -> str:
    """Return the nearest word."""
    here = oklab(rgb)
    return min(_WORDS, key=lambda name: sum((a - b) ** 2 for a, b in zip(here, _WORDS[name], strict=True)))


def random_color(rng: random.Random) -> Rgb:
    """Return any color: half of them such as animals have, half of any hue."""
    if rng.random() < 0.5:
        one, other, share = rng.choice(_NATURAL), rng.choice(_NATURAL), rng.random()
        return mixed(one, other, 0.5 * share)
    hue, saturation, value = rng.random(), rng.uniform(0.35, 0.9), rng.uniform(0.45, 0.98)
    return _rgb(colorsys.hsv_to_rgb(hue, saturation, value))


def contrasting(others: tuple[Rgb, ...], rng: random.Random) -> Rgb:
    """Return a color that one can tell from all of `others` at a glance."""
    best, reached = others[0], -1.0
    for _ in range(24):
        color = random_color(rng)
        if rng.random() < 0.35:  # much of what animals carry is nearly white or nearly black
            color = mixed((250, 248, 242) if rng.random() < 0.6 else (44, 38, 42), color, 0.12)
        apart = min(distance(color, other) for other in others)
        if apart >= _FAR_ENOUGH:
            return color
        if apart > reached:
            best, reached = color, apart
    return best


def same_word(rgb: Rgb, rng: random.Random, amount: float = 26) -> Rgb:
    """Return another color of the same word: as far as `amount` in each channel."""
    for _ in range(40):
        other = _clipped(*(channel + rng.uniform(-amount, amount) for channel in rgb))
        if named(other) == named(rgb):
            return other
    return rgb


def mixed(one: Rgb, other: Rgb, share: float) -> Rgb:
    """Return `one` with so large a share of `other` in it."""
    return _clipped(*(a + (b - a) * share for a, b in zip(one, other, strict=True)))


def shade(rgb: Rgb, amount: float) -> Rgb:
    """Return the color darker (amount < 1) or lighter (> 1)."""
    return _clipped(*(channel * amount for channel in rgb))


def light(rgb: Rgb) -> float:
    """Return how light a color looks, 0..1."""
    return oklab(rgb)[0]


def _clipped(red: float, green: float, blue: float) -> Rgb:
    return max(0, min(255, round(red))), max(0, min(255, round(green))), max(0, min(255, round(blue)))


def _rgb(unit: tuple[float, float, float]) -> Rgb:
    return _clipped(*(255 * channel for channel in unit))
