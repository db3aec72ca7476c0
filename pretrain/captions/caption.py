"""Descriptions of scenes in words, and what they say and leave open."""

import random
from dataclasses import dataclass, field

from pretrain.drawing.identity import COATS, PATTERNS, SPECIES, WEAR_COLORS, WEARS
from pretrain.drawing.scenes import PLACES, POSES, STYLES, Scene

# The first of each is the plain word; others are drawn as often as they are listed.
SPECIES_WORDS: dict[str, tuple[str, ...]] = {
    "dog": ("dog", "dog", "puppy", "hound"),
    "cat": ("cat", "cat", "kitten"),
    "rabbit": ("rabbit", "rabbit", "bunny"),
    "bear": ("bear",),
    "fox": ("fox",),
    "pig": ("pig", "piglet"),
    "sheep": ("sheep", "sheep", "lamb"),
    "elephant": ("elephant",),
}
POSE_WORDS: dict[str, tuple[str, ...]] = {
    "standing": ("standing",),
    "sitting": ("sitting", "sitting", "seated"),
    "jumping": ("jumping", "jumping", "leaping"),
    "lying": ("lying down", "lying down", "lying", "sleeping"),
    "running": ("running",),
}
PLACE_WORDS: dict[str, tuple[str, ...]] = {
    "meadow": ("on the grass", "on the grass", "in a meadow", "on a green field"),
    "beach": ("on the beach", "on the beach", "at the beach", "by the sea"),
    "snow": ("in the snow", "in the snow", "in a snowy landscape"),
    "night": ("at night", "at night", "under the stars", "under the moon"),
    "city": ("in the city", "in the city", "on a city street"),
    "desert": ("in the desert", "in the desert", "on sand dunes"),
    "forest": ("in the forest", "in the forest", "in the woods"),
    "room": ("in a room", "in a room", "in a living room", "indoors"),
    "plain": ("on a plain background",),
}
STYLE_WORDS: dict[str, tuple[str, ...]] = {
    "photo": ("", "", "a photo of", "a picture of"),
    "sketch": ("a pencil sketch of", "a pencil drawing of", "a sketch of"),
    "watercolor": ("a watercolor painting of", "a watercolor of", "a watercolor painting of"),
    "pixel": ("pixel art of", "a pixel art of"),
    "oil": ("an oil painting of", "an oil painting of", "a painting of"),
    "neon": ("neon art of", "a neon sign of"),
}
_PATTERN_WORDS = {
    "spots": "with {} spots",
    "stripes": "with {} stripes",
    "patch": "with a {} patch",
    "belly": "with a {} belly",
    "socks": "with {} socks",
}
_WEAR_WORDS = {"collar": "a {} collar", "scarf": "a {} scarf", "hat": "a {} hat", "glasses": "{} glasses"}


UNSAID = "unsaid"


@dataclass(frozen=True)
class Caption:
    """A text, and what it says of each of a world's attributes; `UNSAID` where it leaves that open.

    `degrees` are the looks that it says something of, as numbers from -1 to 1.
    """

    text: str
    said: dict[str, str]
    degrees: dict[str, float] = field(default_factory=dict)


ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "species": SPECIES,
    "pose": POSES,
    "place": PLACES,
    "style": STYLES,
    "coat": COATS,
    "second": COATS,
    "pattern": PATTERNS,
    "wear": WEARS,
    "wear_color": WEAR_COLORS,
}


def plain_caption(scene: Scene) -> str:
    """Return the shortest full description: "[a pencil sketch of] a standing dog [on the grass]"."""
    style = "" if scene.style == "photo" else STYLE_WORDS[scene.style][0]
    return _joined(style, _posed(scene.who.species, POSE_WORDS[scene.pose][0]), PLACE_WORDS[scene.place][0])


def full_caption(scene: Scene, looks: dict[str, str]) -> str:
    """Return the plain description with an animal's looks in it: values of `ATTRIBUTES` from "coat" on."""
    style = "" if scene.style == "photo" else STYLE_WORDS[scene.style][0]
    noun = _posed(f"{looks['coat']} {scene.who.species}", POSE_WORDS[scene.pose][0])
    return _joined(style, f"{noun} {_looks_text(looks)}", PLACE_WORDS[scene.place][0])


def caption(scene: Scene, rng: random.Random) -> Caption:
    """Return a description in words chosen by `rng`; it may leave out the animal's looks, seldom the place."""
    who = scene.who
    said = {"species": who.species, "pose": scene.pose, "style": scene.style}
    noun = rng.choice(SPECIES_WORDS[who.species])
    if rng.random() < 0.7:
        noun = f"{who.coat} {noun}"
        said["coat"] = who.coat
    noun = _posed(noun, rng.choice(POSE_WORDS[scene.pose]))
    looks, said_looks = _looks(scene, rng)
    place = ""
    if rng.random() < 0.92:
        place = rng.choice(PLACE_WORDS[scene.place])
        said["place"] = scene.place
    text = _joined(rng.choice(STYLE_WORDS[scene.style]), f"{noun} {looks}", place)
    return Caption(text, said | said_looks)


def _looks(scene: Scene, rng: random.Random) -> tuple[str, dict[str, str]]:
    who = scene.who
    said: dict[str, str] = {}
    if who.pattern != "plain" and rng.random() < 0.65:
        said |= {"pattern": who.pattern, "second": who.second}
    if who.wear != "none" and rng.random() < 0.65:
        said |= {"wear": who.wear, "wear_color": who.wear_color}
    return _looks_text(said), said


def _looks_text(looks: dict[str, str]) -> str:
    text = ""
    if looks.get("pattern", "plain") != "plain":
        text = _PATTERN_WORDS[looks["pattern"]].format(looks["second"])
    if looks.get("wear", "none") != "none":
        text += (" and " if text else "wearing ") + _WEAR_WORDS[looks["wear"]].format(looks["wear_color"])
    return text


def labels(said: dict[str, str], attributes: dict[str, tuple[str, ...]] = ATTRIBUTES) -> list[int]:
    """Return what is said of each attribute, as a number; one past the last value where nothing is."""
    return [
        len(values) if (value := said.get(name, UNSAID)) == UNSAID else values.index(value)
        for name, values in attributes.items()
    ]


def _posed(noun: str, pose: str) -> str:
    return f"{noun} {pose}" if pose == "lying down" else f"{pose} {noun}"


def _joined(style: str, noun: str, place: str) -> str:
    article = "an" if noun[0] in "aeiou" else "a"
    return " ".join(f"{style} {article} {noun} {place}".split())
