"""The looks of an individual as named numbers: what each means, and the words of degree for it."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, fields, replace

LOW, HIGH = -0.4, 0.4  # between them no word of degree is said


@dataclass(frozen=True)
class Looks:
    """Every number lies in -1..1, is drawn uniformly and independently of the others; 0 is the species' usual shape.

    Shapes first; below them how the markings are laid out, of which only those of the individual's own markings show.
    """

    head_size: float = 0.0
    head_width: float = 0.0
    ear_length: float = 0.0
    ear_width: float = 0.0
    ear_droop: float = 0.0
    muzzle_length: float = 0.0
    muzzle_width: float = 0.0
    eye_size: float = 0.0
    neck_length: float = 0.0
    body_length: float = 0.0
    girth: float = 0.0
    leg_length: float = 0.0
    leg_thickness: float = 0.0
    tail_length: float = 0.0
    tail_thickness: float = 0.0
    tail_curl: float = 0.0
    # The face: how large the mask is, how wide and how far to a side the blaze, which eye's patch and how large.
    mask_size: float = 0.0
    blaze_width: float = 0.0
    blaze_shift: float = 0.0
    patch_size: float = 0.0
    patch_side: float = 0.0
    # The chest and belly.
    bib_size: float = 0.0
    belly_size: float = 0.0
    # The back: a saddle, three blots, or stripes.
    saddle_place: float = 0.0
    saddle_length: float = 0.0
    saddle_depth: float = 0.0
    blot_front_x: float = 0.0
    blot_front_y: float = 0.0
    blot_front_size: float = 0.0
    blot_middle_x: float = 0.0
    blot_middle_y: float = 0.0
    blot_middle_size: float = 0.0
    blot_rear_x: float = 0.0
    blot_rear_y: float = 0.0
    blot_rear_size: float = 0.0
    stripe_width: float = 0.0
    stripe_gap: float = 0.0
    stripe_slant: float = 0.0
    # Socks, each leg for itself, and the tip of the tail.
    sock_front_near: float = 0.0
    sock_front_far: float = 0.0
    sock_rear_near: float = 0.0
    sock_rear_far: float = 0.0
    tip_length: float = 0.0


LOOKS: tuple[str, ...] = tuple(field.name for field in fields(Looks))
SHAPES: tuple[str, ...] = LOOKS[: LOOKS.index("mask_size")]

# Which of the numbers show with which marking.
MARKED: dict[str, tuple[str, ...]] = {
    "mask": ("mask_size",),
    "blaze": ("blaze_width", "blaze_shift"),
    "eye patch": ("patch_size", "patch_side"),
    "bib": ("bib_size",),
    "belly": ("belly_size",),
    "saddle": ("saddle_place", "saddle_length", "saddle_depth"),
    "blots": tuple(name for name in LOOKS if name.startswith("blot_")),
    "stripes": ("stripe_width", "stripe_gap", "stripe_slant"),
    "socks": ("sock_front_near", "sock_front_far", "sock_rear_near", "sock_rear_far"),
    "tail tip": ("tip_length",),
}

# The words of degree of a shape: below LOW, above HIGH. `{}` is the species.
DEGREES: dict[str, tuple[str, str]] = {
    "head_size": ("a small head", "a big head"),
    "head_width": ("a narrow head", "a wide head"),
    "ear_length": ("short ears", "long ears"),
    "ear_width": ("narrow ears", "broad ears"),
    "ear_droop": ("upright ears", "drooping ears"),
    "muzzle_length": ("a short nose", "a long nose"),
    "muzzle_width": ("a slim nose", "a thick nose"),
    "eye_size": ("small eyes", "large eyes"),
    "neck_length": ("a short neck", "a long neck"),
    "body_length": ("a short body", "a long body"),
    "girth": ("thin", "fat"),
    "leg_length": ("short legs", "long legs"),
    "leg_thickness": ("slim legs", "thick legs"),
    "tail_length": ("a short tail", "a long tail"),
    "tail_thickness": ("a slim tail", "a bushy tail"),
    "tail_curl": ("a straight tail", "a curly tail"),
}


def random_looks(rng: random.Random) -> Looks:
    """Return looks drawn uniformly."""
    return Looks(*(rng.uniform(-1, 1) for _ in LOOKS))


def bin_of(value: float) -> int:
    """Return which word of degree holds: -1 for the low one, 1 for the high one, 0 for none."""
    return -1 if value < LOW else 1 if value > HIGH else 0


def same_bins(looks: Looks, rng: random.Random) -> Looks:
    """Return other looks of which the same words of degree hold, drawn anew within each bin."""
    edges = {-1: (-1.0, LOW), 0: (LOW, HIGH), 1: (HIGH, 1.0)}
    return Looks(*(rng.uniform(*edges[bin_of(getattr(looks, name))]) for name in LOOKS))


def nudged(looks: Looks, rng: random.Random, amount: float) -> Looks:
    """Return looks that differ by up to `amount` in each number, still within -1..1."""
    drawn = {name: getattr(looks, name) + rng.uniform(-amount, amount) for name in LOOKS}
    return replace(looks, **{name: max(-1.0, min(1.0, value)) for name, value in drawn.items()})


def factor(value: float, strength: float) -> float:
    """Return what a look multiplies a length with: exp(strength * value), 1 at the species' usual shape."""
    return math.exp(strength * value)
