"""An individual in a setting: pose, place, style, side, size, colors of sky and ground, light, outline, shading."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from pretrain.drawing.scenes import SPLITS, split_seed
from pretrain.menagerie.colors import Rgb, mixed, random_color
from pretrain.menagerie.individual import SPECIES, Individual, look_alike, random_individual
from pretrain.menagerie.kinds import random_of_kind

__all__ = ["PLACES", "POSES", "SPLITS", "STYLES", "Scene", "Setting", "random_scene", "random_setting", "split_seed"]

POSES = ("standing", "sitting", "jumping", "lying", "running")
PLACES = ("meadow", "beach", "snow", "night", "city", "desert", "forest", "room", "plain")
STYLES = ("photo", "sketch", "watercolor", "pixel", "oil", "neon")
SIDES = ("right", "left")
OF_A_KIND = 0.5  # share of pretraining individuals that are of a named kind
_FREE_FROM = 51_000_000  # from this seed on none is: a network that learns from kinds knows them again, not the looks

_SKIES: dict[str, Rgb] = {
    "meadow": (142, 206, 250), "beach": (176, 228, 252), "snow": (182, 200, 222), "night": (24, 28, 78),
    "city": (206, 218, 230), "desert": (252, 212, 150), "forest": (186, 220, 178), "room": (238, 212, 184),
    "plain": (226, 222, 236),
}  # fmt: skip
_FLOORS: dict[str, Rgb] = {
    "meadow": (110, 188, 84), "beach": (244, 222, 166), "snow": (244, 248, 252), "night": (48, 58, 96),
    "city": (112, 112, 120), "desert": (236, 186, 110), "forest": (88, 120, 66), "room": (172, 122, 80),
    "plain": (214, 206, 224),
}  # fmt: skip


@dataclass(frozen=True)
class Setting:
    """All of a picture but whom it shows; the numbers are pixels of 128 unless said otherwise."""

    pose: str
    place: str
    style: str = "photo"
    side: str = "right"
    size: float = 1.1  # 1 is as large as the species' usual build; animals that would not fit are drawn smaller
    x: float = 64.0
    feet: float = 116.0
    sky: Rgb = (200, 220, 240)
    floor: Rgb = (200, 200, 200)
    light: Rgb = (255, 255, 255)
    outline: float = 1.2
    shading: float = 0.0  # 0 flat, up to 0.6
    gradient: float = 0.0  # how far the sky's other end is from its color, 0..1
    decor: int = 0  # how what stands about is chosen and laid out


@dataclass(frozen=True)
class Scene:
    """One picture: whom it shows, and all the rest."""

    who: Individual
    setting: Setting


def random_setting(rng: random.Random, *, strange: float = 0.3) -> Setting:
    """Return a setting independent of anybody; `strange` is the share in which sky or ground have just any color."""
    place = rng.choice(PLACES)
    return Setting(
        pose=rng.choice(POSES),
        place=place,
        style=rng.choices(STYLES, (5, 1, 1, 1, 1, 1))[0],
        side=rng.choice(SIDES),
        size=rng.uniform(0.98, 1.22),
        x=rng.uniform(54, 74),
        feet=rng.uniform(110, 121),
        sky=_tinted(_SKIES[place], rng, strange),
        floor=_tinted(_FLOORS[place], rng, strange),
        light=_light(rng),
        outline=rng.choice((0.0, rng.uniform(0.7, 1.7))),
        shading=rng.choice((0.0, rng.uniform(0.25, 0.6))),
        gradient=rng.choice((0.0, rng.uniform(0.2, 0.8))),
        decor=rng.randrange(1_000_000),
    )


def usual_setting(pose: str, place: str, style: str = "photo", side: str = "right", decor: int = 0) -> Setting:
    """Return the setting that a plain caption asks for: the place's own colors, daylight, an outline."""
    return Setting(pose, place, style, side, sky=_SKIES[place], floor=_FLOORS[place], decor=decor)


def random_scene(seed: int) -> Scene:
    """Return the scene of this seed, the same for ever; of the first pretraining individuals half are of a kind."""
    rng = random.Random(seed)
    named = seed in SPLITS["pretraining"] and rng.random() < OF_A_KIND and seed < _FREE_FROM
    who = random_of_kind(rng) if named else random_individual(rng)
    return Scene(who, random_setting(rng))


def asked_scene(seed: int, pose: str, place: str, style: str) -> Scene:
    """Return the individual of a seed in a scene that a plain caption asks for."""
    return Scene(random_scene(seed).who, usual_setting(pose, place, style, decor=seed))


def scene_pair(seed: int) -> tuple[Scene, Scene]:
    """Return two scenes of animals that share their looks, every second time not their species.

    Training exchanges the tails of their captions, so that a tail tells looks and the head the rest.
    """
    first = random_scene(seed)
    rng = random.Random(seed + 0.75)
    species = rng.choice(SPECIES) if rng.random() < 0.5 else first.who.species
    kind = first.who.kind if species == first.who.species else ""
    return first, Scene(replace(first.who, species=species, kind=kind), random_setting(rng))


def scenes_of(seed: int, count: int) -> list[Scene]:
    """Return the individual of a seed in `count` settings, the first of them that of `random_scene`."""
    first = random_scene(seed)
    rng = random.Random(seed + 0.25)
    return [first, *(Scene(first.who, random_setting(rng)) for _ in range(count - 1))]


def look_alikes(seed: int, count: int) -> list[Individual]:
    """Return the individual of a seed and others that share every word with it, `count` in all."""
    who = random_scene(seed).who
    rng = random.Random(seed + 0.5)
    return [who, *(look_alike(who, rng) for _ in range(count - 1))]


def _tinted(usual: Rgb, rng: random.Random, strange: float) -> Rgb:
    if rng.random() < strange:
        return random_color(rng)
    return mixed(usual, random_color(rng), rng.uniform(0, 0.25))


def _light(rng: random.Random) -> Rgb:
    if rng.random() < 0.5:
        return (255, 255, 255)
    return mixed((255, 255, 255), random_color(rng), rng.uniform(0.05, 0.3))
