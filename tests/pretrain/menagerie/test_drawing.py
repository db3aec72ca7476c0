"""Drawings of the menagerie: every look shows in every pose, everything stays within the frame."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

from pretrain.drawing.pen import PARTS
from pretrain.menagerie.drawing.body import figure_of
from pretrain.menagerie.drawing.pen import SUPER
from pretrain.menagerie.drawing.places import background
from pretrain.menagerie.drawing.render import render, render_with_parts
from pretrain.menagerie.individual import SPECIES, Individual, random_individual
from pretrain.menagerie.looks import LOOKS, MARKED, Looks
from pretrain.menagerie.scenes import PLACES, POSES, SIDES, STYLES, Scene, random_scene, usual_setting

MARKING_OF = {look: marking for marking, looks in MARKED.items() for look in looks}
HIDDEN = {("sitting", "sock_rear_far"), ("lying", "sock_rear_far")}  # that leg is behind the body


def marked(look: str, species: str) -> Individual:
    """Return an animal of clear colors with the marking that shows this look, and no other."""
    marking = MARKING_OF.get(look)
    return replace(
        random_individual(random.Random(0)), species=species, looks=Looks(), wear="none", ears=False,
        coat=(206, 160, 104), second=(250, 248, 242), third=(60, 50, 60),
        face=marking if marking in ("mask", "blaze", "eye patch") else "plain",
        front=marking if marking in ("bib", "belly") else "plain",
        back=marking if marking in ("saddle", "blots", "stripes") else "plain",
        socks=marking == "socks", tip=marking == "tail tip",
    )  # fmt: skip


def test_a_scene_draws_the_same_picture_every_time() -> None:
    for seed in range(10):
        assert render(random_scene(seed)).tobytes() == render(random_scene(seed)).tobytes()
    assert len({render(random_scene(seed)).tobytes() for seed in range(20)}) == 20


@pytest.mark.parametrize("pose", POSES)
def test_changing_one_look_changes_the_animal_visibly(pose: str) -> None:
    setting = usual_setting(pose, "plain")
    for number, look in enumerate(LOOKS):
        if (pose, look) in HIDDEN:
            continue
        who = marked(look, SPECIES[number % len(SPECIES)])
        pictures, inside = [], np.zeros((16, 16), bool)
        for value in (-0.8, 0.8):
            picture, parts = render_with_parts(Scene(replace(who, looks=replace(Looks(), **{look: value})), setting))
            pictures.append(np.asarray(picture, np.int16))
            inside |= parts > 0
        changed = np.abs(pictures[0] - pictures[1]).max(2) > 24
        within = changed & np.kron(inside, np.ones((8, 8), bool))
        assert within.sum() >= 12, (pose, look, who.species)


def test_the_setting_changes_nothing_of_the_animal() -> None:
    who = random_individual(random.Random(5))
    assert Scene(who, usual_setting("sitting", "beach")).who == Scene(who, usual_setting("lying", "city")).who


@pytest.mark.parametrize("species", SPECIES)
def test_every_animal_stays_within_the_frame(species: str) -> None:
    for seed in range(6):
        who = replace(random_individual(random.Random(seed)), species=species)
        for pose in POSES:
            setting = replace(usual_setting(pose, "plain"), size=1.22, x=54 + 2 * seed, outline=0.0)
            empty = np.asarray(background(setting).reduce(SUPER), np.int16)
            drawn = np.asarray(render(Scene(who, setting)), np.int16)
            changed = np.abs(drawn - empty).max(2) > 40
            assert changed.sum() > 600
            assert changed[:, 0].sum() + changed[:, -1].sum() + changed[0].sum() + changed[-1].sum() <= 3


def test_an_animal_that_faces_left_is_the_mirror_image() -> None:
    who = random_individual(random.Random(8))
    right, left = (usual_setting("standing", "plain", side=side) for side in SIDES)
    seen = np.asarray(render(Scene(who, right)), np.int16)
    mirrored = np.asarray(render(Scene(who, left)), np.int16)[:, ::-1]
    assert np.abs(seen - mirrored).mean() < 2


def test_poses_differ_as_silhouettes_of_16_by_16() -> None:
    who = random_individual(random.Random(2))
    shapes = [render_with_parts(Scene(who, usual_setting(pose, "plain")))[1] > 0 for pose in POSES]
    for index, shape in enumerate(shapes):
        assert all(np.mean(shape != other) > 0.06 for other in shapes[:index])


def test_every_animal_can_be_drawn_everywhere_in_every_style() -> None:
    for seed, place in enumerate(PLACES):
        for style in STYLES:
            who = random_individual(random.Random(seed))
            setting = usual_setting(POSES[seed % 5], place, style, SIDES[seed % 2], decor=seed)
            picture, parts = render_with_parts(Scene(who, setting))
            assert (picture.size, picture.mode) == ((128, 128), "RGB")
            assert parts.shape == (16, 16)
            assert PARTS.index("head") in parts


def test_places_and_what_stands_about_differ() -> None:
    who = random_individual(random.Random(1))
    usual = [render(Scene(who, usual_setting("standing", place))).tobytes() for place in PLACES]
    assert len(set(usual)) == len(PLACES)
    others = [render(Scene(who, usual_setting("standing", "forest", decor=decor))).tobytes() for decor in range(5)]
    assert len(set(others)) == 5


def test_an_animal_of_usual_build_fills_the_picture() -> None:
    for species in SPECIES:
        figure = figure_of(replace(marked("girth", species)), "standing", 1.1, 64, 116)
        assert figure.along * 2 + figure.radius > 70
