"""What an individual's own name tells: all of its looks as numbers, which no caption says."""

from __future__ import annotations

from collections.abc import Mapping

from pretrain.menagerie.colors import NAMED, Rgb, oklab
from pretrain.menagerie.individual import BACKS, CUTS, FACES, FRONTS, Individual, words_of
from pretrain.menagerie.looks import LOOKS, SHAPES

COLORS = ("coat", "second", "third", "iris", "wear_color")  # as captions' words for them are called
_WORN = tuple(dict.fromkeys(cut for cuts in CUTS.values() for cut in cuts))
_VALUES: dict[str, tuple[str, ...]] = {
    "face": FACES, "front": FRONTS, "back": BACKS, "socks": ("no", "yes"), "tip": ("no", "yes"), "ears": ("no", "yes"),
    "wear": _WORN,
}  # fmt: skip
_CATEGORIES = [(name, value) for name, values in _VALUES.items() for value in values]
# What belongs together: a name may leave one of these out, which is then all zeros.
GROUPS: dict[str, int] = {
    "shapes": len(SHAPES), "markings": len(LOOKS) - len(SHAPES), **dict.fromkeys(COLORS, 3),
    "face": len(FACES), "front": len(FRONTS), "back": len(BACKS), "extra": 6, "wear": len(_WORN),
}  # fmt: skip
WIDTH = sum(GROUPS.values())


def looks_as_numbers(who: Individual) -> list[float]:
    """Return all that there is to tell of an individual but its species, `WIDTH` numbers in the order of `GROUPS`.

    Numbers mostly between -1 and 1, 0 for what it has not; categories as one 1 among zeros.
    """
    shown = set(who.shown)
    numbers = [float(getattr(who.looks, look)) if look in shown else 0.0 for look in LOOKS]
    for color in colors_of(who).values():
        numbers += color_as_numbers(color) if color else [0.0] * 3
    words = words_of(who)
    return numbers + [float(words[name] == value) for name, value in _CATEGORIES]


def said_as_numbers(said: Mapping[str, str], degrees: Mapping[str, float]) -> list[float]:
    """Return what a caption says of an individual, in words and as numbers, as `looks_as_numbers` would; else zeros."""
    numbers = [degrees.get(look, 0.0) for look in LOOKS]
    for color in COLORS:
        numbers += color_as_numbers(NAMED[said[color]]) if color in said else [0.0] * 3
    return numbers + [float(said.get(name) == value) for name, value in _CATEGORIES]


def colors_of(who: Individual) -> dict[str, Rgb | None]:
    """Return an individual's colors by `COLORS`, None for those that nothing of it has."""
    return {
        "coat": who.coat,
        "second": who.second if who.shows_second else None,
        "third": who.third if who.shows_third else None,
        "iris": who.iris,
        "wear_color": who.wear_rgb if who.wear != "none" else None,
    }


def color_as_numbers(color: Rgb) -> list[float]:
    """Return a color's lightness, and how red and yellow it is, each mostly between -1 and 1."""
    light, red, yellow = oklab(color)
    return [3 * (light - 0.6), 6 * red, 6 * yellow]
