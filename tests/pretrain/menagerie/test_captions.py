"""Captions of the menagerie tell the truth, and leave room for the tail."""

from __future__ import annotations

import random

import pytest

from pretrain.captions.caption import PLACE_WORDS, SPECIES_WORDS, STYLE_WORDS, Caption
from pretrain.menagerie.captions import ATTRIBUTES, MAX_TOKENS, POSE_WORDS, caption, full_caption, plain_caption
from pretrain.menagerie.colors import named
from pretrain.menagerie.individual import random_individual, words_of
from pretrain.menagerie.kinds import kinds
from pretrain.menagerie.looks import DEGREES, LOOKS, bin_of
from pretrain.menagerie.scenes import SPLITS, Scene, random_scene, usual_setting

SCENES = [random_scene(seed) for seed in range(400)]
CAPTIONS = [caption(scene, random.Random(number)) for number, scene in enumerate(SCENES)]
BOTH = list(zip(SCENES, CAPTIONS, strict=True))


def test_what_a_caption_says_is_true() -> None:
    for scene, found in BOTH:
        setting = scene.setting
        truth = words_of(scene.who) | {
            "pose": setting.pose, "place": setting.place, "style": setting.style, "side": setting.side,
            "sky": named(setting.sky),
        }  # fmt: skip
        for name, value in found.said.items():
            assert truth[name] == value, (found.text, name)
            assert value in ATTRIBUTES[name]


def test_what_a_caption_says_stands_in_its_text() -> None:
    for scene, found in BOTH:
        words = f" {found.text} "
        kind = bool(scene.who.kind) and scene.who.kind in words
        assert kind or any(f" {noun} " in words for noun in SPECIES_WORDS[scene.who.species])
        assert any(pose in words for pose in POSE_WORDS[scene.setting.pose])
        assert any(style in words for style in STYLE_WORDS[scene.setting.style])
        for name in ("coat", "second", "third", "iris", "wear_color", "sky"):
            assert kind or found.said.get(name, "") in words
        if "place" in found.said and scene.setting.place != "plain":
            assert any(place in words for place in PLACE_WORDS[scene.setting.place])


def test_words_of_degree_are_said_only_of_what_is_out_of_the_ordinary() -> None:
    said = 0
    for scene, found in BOTH:
        for look, (low, high) in DEGREES.items():
            words = found.text.split() if look == "girth" else found.text
            for phrase, side in ((low, -1), (high, 1)):
                if phrase in words:
                    said += 1
                    assert bin_of(getattr(scene.who.looks, look)) == side
                    assert look in found.degrees
    assert said > 150


def test_a_name_says_what_its_kind_looks_like() -> None:
    named_ones = [(scene, found) for scene, found in BOTH if scene.who.kind and scene.who.kind in found.text]
    assert len(named_ones) > 80
    for scene, found in named_ones:
        middle = kinds()[scene.who.kind]
        assert found.said["coat"] == named(middle.coat)
        assert set(middle.shown) <= set(found.degrees)
        assert all(-1 <= value <= 1 for value in found.degrees.values())


def test_no_development_or_test_caption_has_a_name() -> None:
    for split in ("development", "test"):
        for seed in SPLITS[split][:150]:
            words = caption(random_scene(seed), random.Random(seed)).text.split()
            assert not set(words) & set(kinds())


def test_every_caption_leaves_room_for_the_tail() -> None:
    assert max(len(found.text.split()) for found in CAPTIONS) <= MAX_TOKENS - 2 - 5


def test_every_look_of_the_shape_has_words() -> None:
    assert set(DEGREES) == set(LOOKS[: len(DEGREES)])
    spoken = {look for found in CAPTIONS for look in found.degrees}
    assert set(DEGREES) <= spoken


@pytest.mark.parametrize(
    ("pose", "place", "style", "text"),
    [
        ("standing", "meadow", "photo", "a standing dog on the grass"),
        ("lying", "room", "photo", "a dog lying down in a room"),
        ("jumping", "snow", "oil", "an oil painting of a jumping dog in the snow"),
    ],
)
def test_the_plain_form_is_that_of_the_first_world(pose: str, place: str, style: str, text: str) -> None:
    dog = next(scene.who for scene in SCENES if scene.who.species == "dog")
    assert plain_caption(Scene(dog, usual_setting(pose, place, style))) == text


def test_the_same_scene_and_seed_give_the_same_words() -> None:
    assert caption(SCENES[3], random.Random(1)) == caption(SCENES[3], random.Random(1))
    assert Caption("", {}).degrees == {}


def test_a_full_caption_says_all_words_and_the_strongest_degrees() -> None:
    scene = Scene(random_individual(random.Random(3)), usual_setting("sitting", "beach"))
    words = {
        "coat": "gray", "second": "white", "third": "black", "iris": "green", "face": "mask", "front": "plain",
        "back": "stripes", "socks": "no", "tip": "no", "ears": "no", "wear": "bow tie", "wear_color": "red",
    }  # fmt: skip
    numbers = {"mask_size": 0.9, "ear_length": -0.9, "leg_length": 0.7, "girth": 0.9, "neck_length": 0.1}
    text = full_caption(scene, words, numbers)
    said = ("a sitting gray", "a large white mask", "black stripes", "green eyes", "a red bow tie")
    assert [part for part in said if part not in text] == []
    assert text.index("short ears") < text.index("long legs")
    assert "neck" not in text
    everything = full_caption(scene, words, dict.fromkeys(DEGREES, 0.9))
    assert len(everything.split()) <= MAX_TOKENS - 7
    assert "on the beach" in everything
    assert "wearing" not in full_caption(scene, words | {"wear": "none"}, {})
