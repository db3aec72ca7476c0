import random
from pathlib import Path

import pytest

from pretrain.captions.caption import (
    ATTRIBUTES,
    PLACE_WORDS,
    POSE_WORDS,
    SPECIES_WORDS,
    STYLE_WORDS,
    caption,
    labels,
    plain_caption,
)
from pretrain.captions.tokenizer import learn_merges, train_tokenizer
from pretrain.drawing.scenes import Scene, random_scene, split_seed
from pretrain.training.models import Tokenizer
from pretrain.training.text import tokens
from pretrain.training.unet import TAIL


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return train_tokenizer(tmp_path_factory.mktemp("tokenizer"), captions=4000)


def test_a_caption_says_what_the_scene_shows() -> None:
    for seed in range(300):
        scene = random_scene(seed)
        found = caption(scene, random.Random(seed))
        words = f" {found.text} "
        who = scene.who
        assert any(f" {noun} " in words for noun in SPECIES_WORDS[who.species])
        assert any(pose in words for pose in POSE_WORDS[scene.pose])
        assert any(style in words for style in STYLE_WORDS[scene.style])
        if "place" in found.said:
            assert any(place in words for place in PLACE_WORDS[scene.place])
        shown = {"coat": who.coat, "second": who.second, "pattern": who.pattern, "wear": who.wear}
        shown |= {"wear_color": who.wear_color, "species": who.species}
        for name, value in shown.items():
            assert found.said.get(name, value) == value
        for name in ("coat", "second", "wear_color"):
            assert found.said.get(name, "") in words


def test_what_a_caption_leaves_open_has_a_label_of_its_own() -> None:
    assert labels({}) == [len(values) for values in ATTRIBUTES.values()]
    assert labels({"species": "cat"})[0] == 1


@pytest.mark.parametrize(
    ("pose", "place", "style", "text"),
    [
        ("standing", "meadow", "photo", "a standing dog on the grass"),
        ("lying", "room", "photo", "a dog lying down in a room"),
        ("jumping", "snow", "oil", "an oil painting of a jumping dog in the snow"),
        ("running", "beach", "sketch", "a pencil sketch of a running dog on the beach"),
    ],
)
def test_the_plain_form(pose: str, place: str, style: str, text: str) -> None:
    dog = next(scene.who for scene in map(random_scene, range(100)) if scene.who.species == "dog")
    assert plain_caption(Scene(dog, pose, place, style)) == text


def test_every_caption_leaves_room_for_the_tail(tokenizer: Tokenizer) -> None:
    for index in range(500):
        text = caption(random_scene(split_seed("development", index)), random.Random(index)).text
        assert len(tokenizer(text).input_ids) <= 32 - TAIL


def test_every_word_of_the_captions_is_one_piece_and_others_fall_apart(tokenizer: Tokenizer) -> None:
    text = "a watercolor painting of a sitting brown dog with white spots and a red collar on the beach"
    assert len(tokenizer.tokenize(text)) == len(text.split())
    assert "".join(tokenizer.tokenize("hippopotamus")) == "hippopotamus</w>"
    assert tokenizer.decode(tokenizer("a leaping fox").input_ids, skip_special_tokens=True).strip() == "a leaping fox"


def test_the_tokenizer_is_the_same_when_learned_again(tokenizer: Tokenizer, tmp_path: Path) -> None:
    again = train_tokenizer(tmp_path, captions=4000)
    assert again.get_vocab() == tokenizer.get_vocab()


def test_merges_join_the_most_frequent_pair_first() -> None:
    assert learn_merges(["aab", "aab", "ab"]) == [("a", "b</w>"), ("a", "ab</w>")]


def test_a_text_that_is_too_long_is_refused(tokenizer: Tokenizer) -> None:
    with pytest.raises(ValueError, match="more than 32 tokens"):
        tokens(tokenizer, ["dog " * 40])
