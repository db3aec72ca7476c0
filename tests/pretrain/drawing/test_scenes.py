import random
from itertools import pairwise

import numpy as np
import pytest

from pretrain.drawing.identity import COLORS, second_colors
from pretrain.drawing.pen import PARTS
from pretrain.drawing.render import render, render_with_parts
from pretrain.drawing.scenes import (
    PLACES,
    POSES,
    SPLITS,
    STYLES,
    Scene,
    random_scene,
    random_setting,
    scene_pair,
    split_seed,
)
from pretrain.judging.judges import twins


def test_a_seed_draws_the_same_picture_every_time() -> None:
    for seed in range(12):
        assert random_scene(seed) == random_scene(seed)
        assert render(random_scene(seed)).tobytes() == render(random_scene(seed)).tobytes()


def test_different_seeds_draw_different_pictures() -> None:
    assert len({render(random_scene(seed)).tobytes() for seed in range(30)}) == 30


def test_an_individual_stays_itself_in_another_setting() -> None:
    who = random_scene(3).who
    settings = [random_setting(who, random.Random(seed)) for seed in range(40)]
    assert {scene.who for scene in settings} == {who}
    assert len({(scene.pose, scene.place, scene.style) for scene in settings}) > 20


def test_a_pair_shares_its_looks_and_draws_its_species_anew() -> None:
    pairs = [scene_pair(seed) for seed in range(60)]
    for first, second in pairs:
        assert (first.who.coat_rgb, first.who.pattern, first.who.wear) == (
            second.who.coat_rgb,
            second.who.pattern,
            second.who.wear,
        )
    assert sum(first.who.species != second.who.species for first, second in pairs) > 40


def test_twins_are_one_individual_in_two_scenes() -> None:
    first, second = twins("development", 5)
    assert first.who == second.who
    assert first != second


def test_no_seed_belongs_to_two_splits() -> None:
    ranges = sorted(SPLITS.values(), key=lambda seeds: seeds.start)
    for before, after in pairwise(ranges):
        assert before.stop <= after.start


def test_a_split_does_not_lend_the_seeds_of_another() -> None:
    with pytest.raises(ValueError, match="test has 1000000 seeds"):
        split_seed("test", 1_000_000)


def test_every_animal_can_be_drawn_everywhere_in_every_style() -> None:
    for seed in range(40):
        who = random_scene(seed).who
        for pose in POSES:
            scene = Scene(who, pose, PLACES[seed % len(PLACES)], STYLES[seed % len(STYLES)])
            picture, parts = render_with_parts(scene)
            assert (picture.size, picture.mode) == ((64, 64), "RGB")
            assert parts.shape == (16, 16)
            assert {PARTS.index("head"), PARTS.index("face")} <= set(np.unique(parts).tolist())


def test_the_animal_fills_the_picture() -> None:
    for pose in POSES:
        _, parts = render_with_parts(Scene(random_scene(1).who, pose, "plain", "photo"))
        rows, columns = np.nonzero(parts)
        assert np.ptp(columns) + 1 >= (10 if pose == "sitting" else 12)
        assert np.ptp(rows) + 1 >= (8 if pose == "lying" else 11)


def test_poses_differ_as_silhouettes_of_16_by_16() -> None:
    who = random_scene(2).who
    shapes = [render_with_parts(Scene(who, pose, "plain", "photo"))[1] > 0 for pose in POSES]
    for index, shape in enumerate(shapes):
        assert all(np.mean(shape != other) > 0.08 for other in shapes[:index])


def test_styles_change_the_picture_and_add_nothing_random() -> None:
    who = random_scene(4).who
    pictures = [render(Scene(who, "sitting", "beach", style)).tobytes() for style in STYLES]
    assert len(set(pictures)) == len(STYLES)
    assert pictures == [render(Scene(who, "sitting", "beach", style)).tobytes() for style in STYLES]


def test_the_second_color_stands_out() -> None:
    for coat in COLORS:
        assert coat not in second_colors(coat)
        assert len(second_colors(coat)) >= 6
