"""Descriptions of the menagerie's scenes: words for categories and colors, words of degree, names of kinds."""

from __future__ import annotations

import random

from pretrain.captions.caption import PLACE_WORDS, SPECIES_WORDS, STYLE_WORDS, Caption
from pretrain.menagerie.colors import NAMED, named
from pretrain.menagerie.individual import BACKS, CUTS, FACES, FRONTS, SPECIES, Individual, words_of
from pretrain.menagerie.kinds import kinds
from pretrain.menagerie.looks import DEGREES, HIGH, LOW, bin_of
from pretrain.menagerie.scenes import PLACES, POSES, SIDES, STYLES, Scene, Setting

MAX_TOKENS = 40
_ROOM = MAX_TOKENS - 2 - 5  # what beginning, end and a tail of five leave
_COLORS = tuple(NAMED)

POSE_WORDS: dict[str, tuple[str, ...]] = {
    "standing": ("standing",),
    "sitting": ("sitting", "sitting", "seated"),
    "jumping": ("jumping", "jumping", "leaping"),
    "lying": ("lying down", "lying down", "lying"),
    "running": ("running",),
}
ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "species": SPECIES,
    "pose": POSES,
    "place": PLACES,
    "style": STYLES,
    "side": SIDES,
    "sky": _COLORS,
    "coat": _COLORS,
    "second": _COLORS,
    "third": _COLORS,
    "iris": _COLORS,
    "face": FACES,
    "front": FRONTS,
    "back": BACKS,
    "socks": ("no", "yes"),
    "tip": ("no", "yes"),
    "ears": ("no", "yes"),
    "wear": tuple(dict.fromkeys(cut for cuts in CUTS.values() for cut in cuts)),
    "wear_color": _COLORS,
}

# A marking's words, what they say, and the look whose words of degree may stand before them.
_Marking = tuple[str, str, str, tuple[str, str] | None]
_MARKINGS: dict[tuple[str, str], _Marking] = {
    ("face", "mask"): ("a{} {} mask", "second", "mask_size", ("small", "large")),
    ("face", "blaze"): ("a{} {} blaze", "second", "blaze_width", ("narrow", "wide")),
    ("face", "eye patch"): ("a{} {} eye patch", "third", "patch_size", ("small", "large")),
    ("front", "bib"): ("a{} {} bib", "second", "bib_size", ("small", "large")),
    ("front", "belly"): ("a{} {} belly", "second", "belly_size", ("small", "large")),
    ("back", "saddle"): ("a{} {} saddle", "third", "saddle_length", ("short", "long")),
    ("back", "blots"): ("{} {} spots", "third", "", None),
    ("back", "stripes"): ("{} {} stripes", "third", "stripe_width", ("narrow", "broad")),
    ("socks", "yes"): ("{} {} socks", "second", "", None),
    ("tip", "yes"): ("a{} {} tail tip", "second", "tip_length", ("small", "large")),
    ("ears", "yes"): ("{} {} ears", "third", "", None),
}
_SOCKS = {
    "sock_front_near": ("a low front sock", "a high front sock"),
    "sock_rear_near": ("a low hind sock", "a high hind sock"),
}
_Phrase = tuple[str, dict[str, str], dict[str, float]]  # words, what they say, and the looks they say something of


def degree(value: float) -> float:
    """Return the middle of the bin that a look's word of degree stands for, 0 if none is said."""
    return {-1: (LOW - 1) / 2, 0: 0.0, 1: (HIGH + 1) / 2}[bin_of(value)]


def plain_caption(scene: Scene) -> str:
    """Return the shortest full description: "[a pencil sketch of] a standing dog [on the grass]"."""
    setting = scene.setting
    style = "" if setting.style == "photo" else STYLE_WORDS[setting.style][0]
    return _sentence([style, plain_words(scene.who.species, setting.pose, setting.place)])


def plain_words(noun: str, pose: str, place: str) -> str:
    """Return the plain description of anything that goes by a noun: "a standing dog [on the grass]"."""
    return _sentence([_article(_posed(noun, POSE_WORDS[pose][0])), PLACE_WORDS[place][0]])


def full_caption(scene: Scene, words: dict[str, str], numbers: dict[str, float]) -> str:
    """Return a scene's plain caption with all that is said of the animal: `words` by attribute, looks by `numbers`.

    As many words of degree as there is room for stand behind the rest, the strongest ones first.
    """
    setting = scene.setting
    style = "" if setting.style == "photo" else STYLE_WORDS[setting.style][0]
    noun = _posed(f"{words['coat']} {scene.who.species}", POSE_WORDS[setting.pose][0])
    phrases = []
    for (name, value), (text, color, look, degrees) in _MARKINGS.items():
        if words[name] == value:
            strong = bin_of(numbers.get(look, 0.0)) if degrees else 0
            size = " " + degrees[strong > 0] if degrees and strong else ""
            phrases.append(" ".join(_an(text.format(size, words[color])).split()))
    phrases.append(f"{words['iris']} eyes")
    strongest = sorted(DEGREES, key=lambda look: -abs(numbers.get(look, 0.0)))
    said = [look for look in strongest if look != "girth" and bin_of(numbers.get(look, 0.0))]
    phrases += [DEGREES[look][numbers[look] > 0] for look in said]
    while True:
        looks = " and ".join(phrases)
        parts = [
            style,
            _article(noun),
            f"with {looks}" if looks else "",
            _wearing(words),
            PLACE_WORDS[setting.place][0],
        ]
        if len((text := _sentence(parts)).split()) <= _ROOM or not phrases:
            return text
        phrases.pop()


def caption(scene: Scene, rng: random.Random) -> Caption:
    """Return a description in words chosen by `rng`: of some looks, mostly of the place, at times of sky and side."""
    who, setting = scene.who, scene.setting
    noun, said, degrees = _subject(who, rng)
    said |= {"species": who.species, "pose": setting.pose, "style": setting.style}
    noun = _posed(noun, rng.choice(POSE_WORDS[setting.pose]))
    place = _place(setting, rng, said)
    style = rng.choice(STYLE_WORDS[setting.style])
    phrases = _phrases(who, rng)
    rng.shuffle(phrases)
    phrases = phrases[: rng.choice((0, 1, 1, 2, 2, 3, 4))]
    while True:
        looks = " and ".join(words for words, _, _ in phrases)
        text = _sentence([style, _article(noun), f"with {looks}" if looks else "", _wearing(said), *place])
        if len(text.split()) <= _ROOM:
            break
        phrases.pop()
    for _, words, numbers in phrases:
        said |= words
        degrees |= numbers
    return Caption(text, said, degrees)


def _place(setting: Setting, rng: random.Random, said: dict[str, str]) -> list[str]:
    """Return the words for the place, and note in `said` what they say."""
    found: list[str] = []
    if rng.random() < 0.92:
        found = [rng.choice(PLACE_WORDS[setting.place])]
        said["place"] = setting.place
    if found and setting.place != "night" and rng.random() < 0.25:
        said["sky"] = named(setting.sky)
        if setting.place == "plain":
            found = [_an(f"on a {said['sky']} background")]
        else:
            found.append(_an(f"with a {said['sky']} wall" if setting.place == "room" else f"under a {said['sky']} sky"))
    if rng.random() < 0.25:
        found.append(f"facing {setting.side}")
        said["side"] = setting.side
    return found


def _subject(who: Individual, rng: random.Random) -> tuple[str, dict[str, str], dict[str, float]]:
    """Return what stands for the animal: its species or its kind's name, perhaps with girth and coat."""
    if who.kind and rng.random() < 0.75:
        middle = kinds()[who.kind]
        words = {name: word for name, word in words_of(middle).items() if not name.startswith("wear")}
        numbers = {look: float(getattr(middle.looks, look)) for look in middle.shown}
        noun = f"{who.kind} {who.species}" if rng.random() < 0.5 else who.kind
        return noun, _seen(middle, words), numbers
    noun, said, degrees = rng.choice(SPECIES_WORDS[who.species]), dict[str, str](), dict[str, float]()
    if rng.random() < 0.7:
        noun, said["coat"] = f"{named(who.coat)} {noun}", named(who.coat)
    if bin_of(who.looks.girth) and rng.random() < 0.35:
        noun = f"{DEGREES['girth'][bin_of(who.looks.girth) > 0]} {noun}"
        degrees["girth"] = degree(who.looks.girth)
    if who.wear != "none" and rng.random() < 0.65:
        said["wear"], said["wear_color"] = CUTS[who.wear][who.cut], named(who.wear_rgb)
    return noun, said, degrees


def _seen(who: Individual, words: dict[str, str]) -> dict[str, str]:
    """Return the words without the colors that nothing of the animal has."""
    hidden = {"second": not who.shows_second, "third": not who.shows_third}
    return {name: word for name, word in words.items() if not hidden.get(name)}


def _wearing(said: dict[str, str]) -> str:
    if said.get("wear", "none") == "none":
        return ""
    thing = f"{said['wear_color']} {said['wear']}"
    return f"wearing {thing}" if said["wear"].endswith("glasses") else f"wearing {_article(thing)}"


def _phrases(who: Individual, rng: random.Random) -> list[_Phrase]:
    """Return everything that can be said of an animal's looks, each as words of their own."""
    words, looks = words_of(who), who.looks
    found: list[_Phrase] = [(f"{words['iris']} eyes", {"iris": words["iris"]}, {})]
    for (name, value), (text, color, look, degrees) in _MARKINGS.items():
        if words[name] != value:
            continue
        size, numbers = "", dict[str, float]()
        if degrees and bin_of(getattr(looks, look)) and rng.random() < 0.5:
            size = " " + degrees[bin_of(getattr(looks, look)) > 0]
            numbers[look] = degree(getattr(looks, look))
        phrase = " ".join(_an(text.format(size, words[color])).split())
        found.append((phrase, {name: value, color: words[color]}, numbers))
    worded = DEGREES | (_SOCKS if who.socks else {})
    for look, (low, high) in worded.items():
        if look != "girth" and bin_of(getattr(looks, look)):
            found.append((high if getattr(looks, look) > 0 else low, {}, {look: degree(getattr(looks, look))}))
    return found


def _posed(noun: str, pose: str) -> str:
    return f"{noun} {pose}" if pose == "lying down" else f"{pose} {noun}"


def _article(noun: str) -> str:
    return _an(f"a {noun}")


def _an(text: str) -> str:
    """Return the text, each "a" before a vowel made "an"."""
    words = text.split()
    for index in range(len(words) - 1):
        if words[index] == "a" and words[index + 1][0] in "aeiou":
            words[index] = "an"
    return " ".join(words)


def _sentence(parts: list[str]) -> str:
    return " ".join(" ".join(parts).split())
