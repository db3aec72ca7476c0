"""Named kinds: invented breeds, each a fixed combination of looks; individuals of one vary around it."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import cache

from pretrain.menagerie.colors import same_word
from pretrain.menagerie.individual import Individual, random_individual
from pretrain.menagerie.looks import nudged

KINDS = 320
_SEED = 987_654_321_000  # of no split
_STARTS = (
    "bel",
    "cor",
    "dra",
    "fen",
    "gal",
    "hov",
    "jin",
    "kel",
    "lor",
    "mab",
    "nim",
    "osk",
    "pru",
    "quil",
    "rav",
    "sul",
)
_ENDS = ("adin", "eska", "ilo", "omar", "uven", "anti", "erro", "ishu", "olda", "umbri", "arek", "ettle", "ivan", "oru",
         "unka", "ayle", "essi", "iquo", "owen", "ustri")  # fmt: skip
VARIATION = 0.18  # how far a look of an individual lies from its kind's, of -1..1


@cache
def kinds() -> dict[str, Individual]:
    """Return every kind by its name, as the individual in its middle; kinds wear nothing."""
    rng = random.Random(_SEED)
    names = [start + end for start in _STARTS for end in _ENDS]
    rng.shuffle(names)
    return {name: replace(random_individual(rng), wear="none", kind=name) for name in names[:KINDS]}


def random_of_kind(rng: random.Random, name: str | None = None) -> Individual:
    """Return an individual of a kind, of any if none is named: its own looks and shades, anything worn."""
    middle = kinds()[name or rng.choice(list(kinds()))]
    stranger = random_individual(rng)
    return replace(
        middle,
        looks=nudged(middle.looks, rng, VARIATION),
        coat=same_word(middle.coat, rng, 14),
        second=same_word(middle.second, rng, 14),
        third=same_word(middle.third, rng, 14),
        iris=same_word(middle.iris, rng, 14),
        wear=stranger.wear,
        cut=stranger.cut,
        wear_rgb=stranger.wear_rgb,
    )
