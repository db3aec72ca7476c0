"""Whom the menagerie's trials try: individuals in several pictures, what is asked of them, who looks like them."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from pretrain.menagerie.individual import Individual, random_individual
from pretrain.menagerie.scenes import (
    PLACES,
    POSES,
    STYLES,
    Scene,
    Setting,
    look_alikes,
    random_setting,
    split_seed,
    usual_setting,
)

TARGETS = 6
OTHERS = 15
PICTURES = 16  # as many as a personalization takes
_FIRST = 300_000  # further up than any seed of a split that pretraining or its evaluation looks at
_COLORLESS = ("sketch",)


@dataclass(frozen=True)
class Case:
    """One individual in sixteen scenes, of which a trial uses the first ones, and the scenes asked for.

    `rivals` share its species and nothing else on purpose; `alikes` share every word that can be said of it and differ
    in what lies within the words. All random numbers come from its place in the split, so that it doesn't matter who
    else is tried.
    """

    number: int
    sources: tuple[Scene, ...]
    targets: tuple[Scene, ...]
    rivals: tuple[Individual, ...]
    alikes: tuple[Individual, ...]

    @property
    def who(self) -> Individual:
        """The individual."""
        return self.sources[0].who

    def elsewhere(self, target: int) -> Scene:
        """Return another scene of the individual for a target, none of its pictures, in the plain style."""
        setting = random_setting(random.Random(f"{self.number} {target} elsewhere"))
        return Scene(self.who, replace(setting, style="photo"))


def cases(split: str, count: int) -> list[Case]:
    """Return the first cases of a split, the same for ever."""
    return [_case(number, split_seed(split, _FIRST + number)) for number in range(count)]


def _case(number: int, seed: int) -> Case:
    rng = random.Random(seed + 0.625)
    who, *alikes = look_alikes(seed, 1 + OTHERS)
    sources = tuple(Scene(who, _colorful(rng)) for _ in range(PICTURES))
    targets = tuple(_target(sources[0], index, rng) for index in range(TARGETS))
    rivals = tuple(replace(random_individual(rng), species=who.species) for _ in range(OTHERS))
    return Case(number, sources, targets, rivals, tuple(alikes))


def _colorful(rng: random.Random) -> Setting:
    setting = random_setting(rng)
    while setting.style in _COLORLESS:  # it shows no colors, so nobody could learn them from it
        setting = random_setting(rng)
    return setting


def _target(source: Scene, index: int, rng: random.Random) -> Scene:
    """Return another pose in another place; the second half of the targets in another style, too."""
    pose = rng.choice([pose for pose in POSES if pose != source.setting.pose])
    place = rng.choice([place for place in PLACES if place != source.setting.place])
    others = [style for style in STYLES if style not in ("photo", source.setting.style)]
    style = "photo" if index < TARGETS // 2 else rng.choice(others)
    return Scene(source.who, usual_setting(pose, place, style, decor=rng.randrange(1_000_000)))
