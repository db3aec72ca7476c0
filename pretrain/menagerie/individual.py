"""An individual: its species, looks, colors, markings, and what it wears."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from pretrain.menagerie.colors import NAMED, Rgb, contrasting, named, random_color, same_word
from pretrain.menagerie.looks import MARKED, SHAPES, Looks, random_looks, same_bins

SPECIES = ("dog", "cat", "rabbit", "bear", "fox", "pig", "sheep", "elephant")
FACES = ("plain", "mask", "blaze", "eye patch")
FRONTS = ("plain", "bib", "belly")
BACKS = ("plain", "saddle", "blots", "stripes")
WEARS = ("none", "collar", "scarf", "hat", "glasses")
CUTS: dict[str, tuple[str, ...]] = {
    "none": ("none", "none", "none"),
    "collar": ("collar", "collar with a bell", "bow tie"),
    "scarf": ("scarf", "striped scarf", "bandana"),
    "hat": ("top hat", "party hat", "beanie"),
    "glasses": ("round glasses", "square glasses", "sunglasses"),
}


@dataclass(frozen=True)
class Individual:
    """What makes an individual, whatever it does and wherever it is."""

    species: str
    looks: Looks
    coat: Rgb
    second: Rgb  # of mask, blaze, bib, belly, socks and the tip of the tail
    third: Rgb  # of eye patch, saddle, blots, stripes and ears
    iris: Rgb
    face: str
    front: str
    back: str
    socks: bool
    tip: bool
    ears: bool  # whether they are of the third color
    wear: str
    cut: int  # which of `CUTS`
    wear_rgb: Rgb
    kind: str = ""  # its breed's name, if it is of one

    @property
    def markings(self) -> tuple[str, ...]:
        """The markings that it has, of `MARKED`."""
        extra = (("socks",) if self.socks else ()) + (("tail tip",) if self.tip else ())
        return tuple(name for name in (self.face, self.front, self.back) if name != "plain") + extra

    @property
    def shown(self) -> tuple[str, ...]:
        """The names of the looks that can be seen."""
        return SHAPES + tuple(look for marking in self.markings for look in MARKED[marking])

    @property
    def shows_second(self) -> bool:
        """Whether anything of it has its second color."""
        return self.face in ("mask", "blaze") or self.front != "plain" or self.socks or self.tip

    @property
    def shows_third(self) -> bool:
        """Whether anything of it has its third color."""
        return self.face == "eye patch" or self.back != "plain" or self.ears


def random_individual(rng: random.Random) -> Individual:
    """Return one individual, its properties independent of each other (only its colors must differ)."""
    coat = random_color(rng)
    second = contrasting((coat,), rng)
    third = contrasting((coat, second), rng)
    return Individual(
        species=rng.choice(SPECIES),
        looks=random_looks(rng),
        coat=coat,
        second=second,
        third=third,
        iris=random_color(rng),
        face=rng.choice(FACES),
        front=rng.choices(FRONTS, (2, 1, 1))[0],
        back=rng.choices(BACKS, (2, 1, 1, 1))[0],
        socks=rng.random() < 0.4,
        tip=rng.random() < 0.4,
        ears=rng.random() < 0.35,
        wear=rng.choices(WEARS, (3, 1, 1, 1, 1))[0],
        cut=rng.randrange(3),
        wear_rgb=same_word(NAMED[rng.choice(list(NAMED))], rng),
    )


def look_alike(who: Individual, rng: random.Random) -> Individual:
    """Return another individual of which every word holds that holds of this one, without a name.

    It differs in what lies within the words: the numbers within their bins, the shades within their names.
    """
    return replace(
        who,
        looks=same_bins(who.looks, rng),
        coat=same_word(who.coat, rng),
        second=same_word(who.second, rng),
        third=same_word(who.third, rng),
        iris=same_word(who.iris, rng),
        wear_rgb=same_word(who.wear_rgb, rng),
        kind="",
    )


def words_of(who: Individual) -> dict[str, str]:
    """Return the words for everything that has one but its degrees: categories and colors."""
    return {
        "species": who.species,
        "coat": named(who.coat),
        "second": named(who.second),
        "third": named(who.third),
        "iris": named(who.iris),
        "face": who.face,
        "front": who.front,
        "back": who.back,
        "socks": "yes" if who.socks else "no",
        "tip": "yes" if who.tip else "no",
        "ears": "yes" if who.ears else "no",
        "wear": CUTS[who.wear][who.cut],
        "wear_color": named(who.wear_rgb),
    }
