"""Whom and what the quality benchmarks try: individuals, their pictures, what is asked of them, who looks like them."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from pretrain.drawing.identity import Identity, random_identity
from pretrain.drawing.scenes import PLACES, POSES, STYLES, Scene, random_setting, split_seed

TARGETS = 6
RIVALS = 15
_FIRST = 300_000  # further up than any seed of a split that pretraining or its evaluation looks at


@dataclass(frozen=True)
class Case:
    """One individual: the scene of its only picture, the scenes asked for, and fifteen others twice over.

    `number` is its place in the split; all its random numbers come from there, so that it doesn't matter who else is
    tried.

    `rivals` share its species and nothing else on purpose; `twins` share every word that can be said of it and differ
    in the shades, the proportions and how the pattern lies.
    """

    number: int
    source: Scene
    targets: tuple[Scene, ...]
    rivals: tuple[Identity, ...]
    twins: tuple[Identity, ...]


def cases(split: str, count: int) -> list[Case]:
    """Return the first cases of a split, the same for ever."""
    return [_case(number, split_seed(split, _FIRST + number)) for number in range(count)]


def _case(number: int, seed: int) -> Case:
    rng = random.Random(seed)
    who = random_identity(rng)
    source = random_setting(who, rng)
    while source.style == "sketch":  # it shows no colors, so nobody could learn them from it
        source = random_setting(who, rng)
    targets = tuple(_target(source, index, rng) for index in range(TARGETS))
    rivals = tuple(replace(random_identity(rng), species=who.species) for _ in range(RIVALS))
    return Case(number, source, targets, rivals, tuple(_twin(who, rng) for _ in range(RIVALS)))


def _target(source: Scene, index: int, rng: random.Random) -> Scene:
    """Return another pose in another place; the second half of the targets in another style, too."""
    pose = rng.choice([pose for pose in POSES if pose != source.pose])
    place = rng.choice([place for place in PLACES if place != source.place])
    others = [style for style in STYLES if style not in ("photo", source.style)]
    return Scene(source.who, pose, place, "photo" if index < TARGETS // 2 else rng.choice(others))


def _twin(who: Identity, rng: random.Random) -> Identity:
    other = random_identity(rng)
    return replace(
        who,
        coat_rgb=_nudged(who.coat_rgb, rng),
        second_rgb=_nudged(who.second_rgb, rng),
        wear_rgb=_nudged(who.wear_rgb, rng),
        size=other.size,
        head=other.head,
        girth=other.girth,
        layout=other.layout,
    )


def _nudged(rgb: tuple[int, int, int], rng: random.Random) -> tuple[int, int, int]:
    red, green, blue = (max(0, min(255, channel + rng.randint(-9, 9))) for channel in rgb)
    return red, green, blue
