"""Drawings by others: put into scenes as they should be, those of the report never trained on."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from pretrain.captions.caption import PLACE_WORDS
from pretrain.menagerie.catalog import CLIPART, DRAWINGS, NOTO, file_of, held_out
from pretrain.menagerie.outside import OutsideScene, describe, describe_plainly, draw_outside, outside_scene
from pretrain.menagerie.scenes import Scene, random_scene, usual_setting
from pretrain.training.latents import Latents


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What `fetch` would return: an animal drawn here in place of each."""
    for drawing in DRAWINGS:
        image = Image.new("RGBA", (200, 120), (0, 0, 0, 0))
        ImageDraw.Draw(image).polygon([(0, 60), (199, 0), (199, 119)], fill=(250, 60, 20, 255))  # points to the left
        image.save(tmp_path / file_of(drawing))
    return tmp_path


def test_at_least_ten_drawings_of_our_species_are_held_out() -> None:
    assert len(held_out()) >= 10
    assert all(drawing.noun != "animal" for drawing in held_out())
    assert {drawing.package for drawing in held_out()} == {NOTO, CLIPART}
    trained = {outside_scene(index).drawing for index in range(2000)}
    assert not trained & set(held_out())
    assert trained == set(DRAWINGS) - set(held_out())


def test_every_drawing_has_a_file_of_its_own() -> None:
    assert len({file_of(drawing) for drawing in DRAWINGS}) == len(DRAWINGS)


def test_a_pair_shows_one_drawing_in_two_settings() -> None:
    for index in range(0, 40, 2):
        first, second = outside_scene(index), outside_scene(index + 1)
        assert (first.drawing, first.hue) == (second.drawing, second.hue)
        assert first.setting != second.setting
        assert first == outside_scene(index)


def test_it_faces_the_side_that_the_setting_says(folder: Path) -> None:
    drawing = replace(DRAWINGS[0], side="left")
    columns = {}
    for side in ("left", "right"):
        setting = usual_setting("standing", "plain", side=side)
        picture = np.asarray(draw_outside(folder, OutsideScene(drawing, setting)), np.int16)
        animal = (picture[..., 0] - picture[..., 2]) > 120
        assert animal.sum() > 1500
        assert not animal[:, [0, -1]].any()
        columns[side] = np.nonzero(animal)[1].mean()
    assert columns["left"] > columns["right"]  # the broad end of a triangle that points left lies on the right


def test_a_turned_hue_changes_the_animal_alone(folder: Path) -> None:
    scene = OutsideScene(DRAWINGS[0], usual_setting("standing", "beach"))
    usual, turned = (np.asarray(draw_outside(folder, replace(scene, hue=hue)), np.int16) for hue in (0.0, 0.5))
    changed = np.abs(usual - turned).max(2) > 30
    assert 1000 < changed.sum() < 128 * 128 / 2


def test_only_its_noun_and_the_scene_are_said() -> None:
    scene = OutsideScene(replace(DRAWINGS[0], noun="animal", pose="sitting"), usual_setting("lying", "beach"))
    assert any(place in describe_plainly(scene) for place in PLACE_WORDS["beach"])
    found = describe(scene, random.Random(3))
    assert "animal" in found.text
    assert found.said == {}
    own = random_scene(4)
    assert isinstance(own, Scene)
    assert describe(own, random.Random(1)).said["species"] == own.who.species


def test_what_is_unknown_is_left_out_of_the_parts() -> None:
    rows = [np.zeros((2, 4, 16, 16), np.float16), np.zeros((2, 6, 40), np.int16), np.zeros((2, 16, 16), np.uint8)]
    own = Latents(rows[0], rows[1], rows[2])
    both = own.and_more(Latents(rows[0] + 1, rows[1], np.full((2, 16, 16), 255, np.uint8)))
    latents, _, parts = both.batch([0, 3], [0, 0])
    assert len(both) == 4
    assert latents.mean(dim=(1, 2, 3)).tolist() == [0, 1]
    assert torch.unique(parts[1]).tolist() == [-100]
    assert torch.unique(parts[0]).tolist() == [0]
