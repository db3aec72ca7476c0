"""What makes an individual: its species, colors, markings and proportions."""

import random
from dataclasses import dataclass

Rgb = tuple[int, int, int]

SPECIES = ("dog", "cat", "rabbit", "bear", "fox", "pig", "sheep", "elephant")
PATTERNS = ("plain", "spots", "stripes", "patch", "belly", "socks")
WEARS = ("none", "collar", "scarf", "hat", "glasses")
COLORS: dict[str, Rgb] = {
    "white": (242, 242, 238),
    "gray": (148, 150, 156),
    "black": (52, 48, 54),
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
COATS = tuple(COLORS)
WEAR_COLORS = ("red", "blue", "green", "yellow", "purple", "pink", "black", "white")

# A second color that one can tell from the coat at 64 px: none of its near neighbors.
_NEAR = (
    {"brown", "red", "black", "purple"},
    {"tan", "golden", "orange", "yellow"},
    {"white", "tan", "yellow", "pink"},
    {"gray", "tan", "teal"},
    {"blue", "teal", "purple"},
    {"green", "teal"},
    {"red", "orange", "pink"},
    {"brown", "orange"},
)


@dataclass(frozen=True)
class Identity:
    """What makes an individual, whatever it does and wherever it is: words, their exact shades, proportions."""

    species: str
    coat: str
    second: str
    pattern: str
    wear: str
    wear_color: str
    coat_rgb: Rgb
    second_rgb: Rgb
    wear_rgb: Rgb
    size: float
    head: float
    girth: float
    layout: int  # which of the arrangements of spots, stripes or patch


def shade(rgb: Rgb, factor: float) -> Rgb:
    """Return the color made darker (factor < 1) or lighter (> 1), each channel 0..255."""
    red, green, blue = (max(0, min(255, int(channel * factor))) for channel in rgb)
    return red, green, blue


def rim(coat: Rgb) -> Rgb:
    """Return the color of the rim: dark on light coats, and the other way round."""
    return shade(coat, 0.66) if sum(coat) > 200 else (96, 92, 102)


def second_colors(coat: str) -> tuple[str, ...]:
    """Return the colors that stand out on this coat."""
    near = set().union(*(group for group in _NEAR if coat in group)) | {coat}
    return tuple(color for color in COATS if color not in near)


def random_identity(rng: random.Random) -> Identity:
    """One individual; every property is drawn independently of the others (only the second color must stand out)."""
    species = rng.choice(SPECIES)
    coat = rng.choice(COATS)
    second = rng.choice(second_colors(coat))
    wear = rng.choices(WEARS, (2, 1, 1, 1, 1))[0]
    wear_color = rng.choice([color for color in WEAR_COLORS if color != coat])
    return Identity(
        species=species,
        coat=coat,
        second=second,
        pattern=rng.choice(PATTERNS),
        wear=wear,
        wear_color=wear_color,
        coat_rgb=_jittered(COLORS[coat], rng, 9),
        second_rgb=_jittered(COLORS[second], rng, 9),
        wear_rgb=_jittered(COLORS[wear_color], rng, 6),
        size=rng.uniform(0.95, 1.03),
        head=rng.uniform(0.94, 1.06),
        girth=rng.uniform(0.93, 1.07),
        layout=rng.randrange(3),
    )


def _jittered(rgb: Rgb, rng: random.Random, amount: float) -> Rgb:
    red, green, blue = (max(0, min(255, int(channel + rng.uniform(-amount, amount)))) for channel in rgb)
    return red, green, blue
