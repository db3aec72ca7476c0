"""An individual in a pose, a place and a style; the splits of seeds."""

import random
from dataclasses import dataclass, replace

from pretrain.drawing.identity import Identity, random_identity

POSES = ("standing", "sitting", "jumping", "lying", "running")
PLACES = ("meadow", "beach", "snow", "night", "city", "desert", "forest", "room", "plain")
STYLES = ("photo", "sketch", "watercolor", "pixel", "oil", "neon")

# Seeds of individuals: what is trained on, what may be looked at while tuning, what only the last report sees.
SPLITS = {
    "pretraining": range(0, 100_000_000),
    "development": range(100_000_000, 101_000_000),
    "test": range(200_000_000, 201_000_000),
}


@dataclass(frozen=True)
class Scene:
    """One picture: an individual, what it does, where, drawn how; `shift` moves it sideways, in pixels of 64."""

    who: Identity
    pose: str
    place: str
    style: str
    shift: float = 0.0


def random_setting(who: Identity, rng: random.Random) -> Scene:
    """Return that individual in a pose, a place and a style drawn independently of it."""
    style = rng.choices(STYLES, (4, 1, 1, 1, 1, 1))[0]
    return Scene(who, rng.choice(POSES), rng.choice(PLACES), style, rng.uniform(-1, 1))


def random_scene(seed: int) -> Scene:
    """Return the scene of this seed, the same for ever; seeds come from one of `SPLITS`."""
    rng = random.Random(seed)
    return random_setting(random_identity(rng), rng)


def asked_scene(seed: int, pose: str, place: str, style: str) -> Scene:
    """Return the individual of a seed in a scene that a caption asks for."""
    return Scene(random_scene(seed).who, pose, place, style)


def scene_pair(seed: int) -> tuple[Scene, Scene]:
    """Two scenes whose animals share coat, pattern and wear but neither pose, place, style nor (mostly) species.

    Training exchanges the tails of their captions: so the model learns to take an individual's looks, and
    nothing else, from there.
    """
    first = random_scene(seed)
    rng = random.Random(seed + 0.5)
    species = random_identity(rng).species
    return first, random_setting(replace(first.who, species=species), rng)


def scenes_of(seed: int, count: int) -> list[Scene]:
    """Return the individual of a seed in `count` scenes, the first of them that of `random_scene`."""
    first = random_scene(seed)
    rng = random.Random(seed + 0.25)
    return [first, *(random_setting(first.who, rng) for _ in range(count - 1))]


def split_seed(split: str, index: int) -> int:
    """Return the index-th seed of a split; ValueError when the split has no such seed."""
    seeds = SPLITS[split]
    if not 0 <= index < len(seeds):
        raise ValueError(f"{split} has {len(seeds)} seeds, asked for number {index}")
    return seeds[index]
