"""What an individual's own name tells: all of its looks as numbers, which no caption says."""

from __future__ import annotations

from pretrain.menagerie.colors import Rgb, oklab
from pretrain.menagerie.individual import BACKS, CUTS, FACES, FRONTS, Individual
from pretrain.menagerie.looks import LOOKS

_ON_OFF = (False, True)
_WORN = tuple((wear, cut) for wear, cuts in CUTS.items() if wear != "none" for cut in range(len(cuts)))
# What belongs together: a name may leave one of these out, which is then all zeros.
GROUPS: dict[str, int] = {
    "shapes": 16, "markings": len(LOOKS) - 16, "coat": 3, "second": 3, "third": 3, "iris": 3, "wear_color": 3,
    "face": len(FACES), "front": len(FRONTS), "back": len(BACKS), "extra": 6, "wear": 1 + len(_WORN),
}  # fmt: skip
WIDTH = sum(GROUPS.values())


def looks_as_numbers(who: Individual) -> list[float]:
    """Return all that there is to tell of an individual but its species, `WIDTH` numbers in the order of `GROUPS`.

    Numbers mostly between -1 and 1, 0 for what it has not; categories as one 1 among zeros.
    """
    shown = set(who.shown)
    numbers = [float(getattr(who.looks, look)) if look in shown else 0.0 for look in LOOKS]
    colors: tuple[Rgb | None, ...] = (
        who.coat,
        who.second if who.shows_second else None,
        who.third if who.shows_third else None,
        who.iris,
        who.wear_rgb if who.wear != "none" else None,
    )
    for color in colors:
        numbers += [0.0] * 3 if color is None else color_as_numbers(color)
    for value, values in ((who.face, FACES), (who.front, FRONTS), (who.back, BACKS)):
        numbers += [float(value == each) for each in values]
    for marked in (who.socks, who.tip, who.ears):
        numbers += [float(marked == each) for each in _ON_OFF]
    return [*numbers, float(who.wear == "none"), *(float((who.wear, who.cut) == each) for each in _WORN)]


def color_as_numbers(color: Rgb) -> list[float]:
    """Return a color's lightness, and how red and yellow it is, each mostly between -1 and 1."""
    light, red, yellow = oklab(color)
    return [3 * (light - 0.6), 6 * red, 6 * yellow]
