"""The menagerie's judges: what they are taught is what the scenes show, and look-alikes are the hard negatives."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from core.config import REPOSITORY
from core.diffusion.prior import LookingEncoder
from pretrain.drawing.pen import PARTS
from pretrain.judging.network import save_judge
from pretrain.menagerie.captions import ATTRIBUTES
from pretrain.menagerie.drawing.details import DETAILS, parts_of
from pretrain.menagerie.drawing.render import render_with_details
from pretrain.menagerie.individual import random_individual, words_of
from pretrain.menagerie.judge import new_judge, open_judge
from pretrain.menagerie.judging import compare, judge_loss, measure, pictures_of
from pretrain.menagerie.lessons import (
    ALIKE,
    DETAIL,
    SCENES,
    Lesson,
    Lessons,
    draw_groups,
    group_scenes,
    moved_alike,
    open_lessons,
    sampled,
)
from pretrain.menagerie.looks import LOOKS
from pretrain.menagerie.scenes import Scene, random_scene, usual_setting
from pretrain.menagerie.truth import NUMBERS, truth_of
from pretrain.worlds import choose_world


def test_a_group_has_scenes_of_each_individual_side_by_side_among_look_alikes() -> None:
    scenes = group_scenes(3)
    assert scenes == group_scenes(3)
    assert len(scenes) == ALIKE * SCENES
    for first in range(0, len(scenes), SCENES):
        assert len({scene.who.looks for scene in scenes[first : first + SCENES]}) == 1
    assert len({scene.who.looks for scene in scenes}) == ALIKE
    assert all(words_of(scene.who) == words_of(scenes[0].who) for scene in scenes)
    assert not any(scene.who.kind for index in range(20) for scene in group_scenes(index))


@pytest.fixture(scope="module")
def lessons(tmp_path_factory: pytest.TempPathFactory) -> Lessons:
    """Two groups, their own pictures in place of round trips."""
    folder = tmp_path_factory.mktemp("lessons")
    choose_world(folder, "menagerie")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pretrain.menagerie.lessons.GROUPS", 2)
        draw_groups(folder, 1)
        np.save(folder / "round-trips.npy", np.load(folder / "look-alikes.npy").reshape(-1, 128, 128, 3))
        return open_lessons(folder)


def test_groups_without_their_details_are_drawn_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pretrain.menagerie.lessons.GROUPS", 1)
    draw_groups(tmp_path, 1)
    details, pictures = tmp_path / "look-alikes-details.npy", tmp_path / "look-alikes.npy"
    before = details.read_bytes(), pictures.read_bytes()
    details.unlink()
    draw_groups(tmp_path, 1)
    assert (details.read_bytes(), pictures.read_bytes()) == before
    assert sorted(tmp_path.iterdir()) == [details, pictures]


def _found_among(image: Tensor, drawn: Tensor) -> tuple[bool, int]:
    """Return whether a picture is one of those drawn as it is or mirrored, and which."""
    off = torch.stack([(image - drawn).pow(2).mean((1, 2, 3)), (image.flip(-1) - drawn).pow(2).mean((1, 2, 3))])
    turned, index = divmod(int(off.argmin()), len(drawn))
    return bool(turned), index


def test_a_batch_shows_what_its_truth_says(lessons: Lessons) -> None:
    lesson = lessons.batch(torch.Generator().manual_seed(1))
    assert lesson.images.shape[0] == len(lesson.truth.words) > lesson.groups * ALIKE * SCENES
    side = list(ATTRIBUTES).index("side")
    scenes = [scene for index in range(2) for scene in group_scenes(index)]
    drawn, sides = pictures_of(scenes), truth_of(scenes).words[:, side]
    for image, words in zip(lesson.images, lesson.truth.words, strict=True):
        turned, index = _found_among(image, drawn)
        assert int(words[side]) == (1 - int(sides[index]) if turned else int(sides[index]))


def test_a_batch_says_where_the_details_of_its_animals_are(lessons: Lessons, monkeypatch: pytest.MonkeyPatch) -> None:
    for how_far in ("_ZOOM", "_SHIFT"):
        monkeypatch.setattr(f"pretrain.menagerie.lessons.{how_far}", 0.0)
    lesson = lessons.batch(torch.Generator().manual_seed(1))
    assert lesson.details.shape == (len(lesson.images), DETAIL, DETAIL)
    scenes = [scene for index in range(2) for scene in group_scenes(index)]
    drawn = pictures_of(scenes)
    for image, details in zip(lesson.images, lesson.details, strict=True):
        turned, index = _found_among(image, drawn)
        told = torch.from_numpy(sampled(render_with_details(scenes[index])[1]).astype(np.int64))
        assert torch.equal(details, told.flip(-1) if turned else told)


def test_the_details_are_those_that_the_encoder_measures() -> None:
    assert len(DETAILS) == LookingEncoder.PARTS
    of = [PARTS[part] for part in parts_of(np.arange(len(DETAILS), dtype=np.uint8))]
    assert set(of[LookingEncoder.TRUNK]) == {"body"}
    assert set(of[LookingEncoder.HEAD]) == {"head", "ear", "face"}
    assert of.count("background") == 1
    assert DETAILS[0] == "background"


def test_markings_are_told_where_they_are_drawn() -> None:
    who = replace(random_individual(random.Random(3)), species="dog", face="mask", front="bib", back="saddle")
    who = replace(who, socks=True, tip=True, wear="none")
    seen = set(render_with_details(Scene(who, usual_setting("standing", "plain")))[1].ravel().tolist())
    assert {"mask", "bib", "saddle", "sock_front_near", "tip"} <= {DETAILS[index] for index in seen}
    bare = replace(who, face="plain", front="plain", back="plain", socks=False, tip=False)
    seen = set(render_with_details(Scene(bare, usual_setting("standing", "plain")))[1].ravel().tolist())
    assert not {"mask", "bib", "saddle", "sock_front_near", "tip"} & {DETAILS[index] for index in seen}


def test_a_mirrored_picture_is_the_same_animal_that_faces_the_other_side() -> None:
    scene = random_scene(5)
    both = [Scene(scene.who, replace(usual_setting("standing", "plain"), side=side)) for side in ("left", "right")]
    left, right = pictures_of(both)
    assert float((left.flip(-1) - right).abs().mean()) < 0.02


def test_only_what_can_be_seen_is_taught() -> None:
    who = replace(
        random_individual(random.Random(0)), face="plain", front="plain", back="plain", socks=False, tip=False
    )
    truth = truth_of([Scene(who, usual_setting("sitting", "beach", style)) for style in ("photo", "sketch")])
    seen = dict(zip(NUMBERS, truth.seen.T.tolist(), strict=True))
    assert seen["ear_length"] == [True, True]
    assert seen["mask_size"] == [False, False]
    assert seen["coat_light"] == [True, False]
    assert seen["second_red"] == [False, False]
    second = list(ATTRIBUTES).index("second")
    assert truth.words[:, second].tolist() == [-100, -100]


def test_the_numbers_taught_are_the_looks() -> None:
    scenes = [random_scene(seed) for seed in range(5)]
    truth = truth_of(scenes)
    for row, scene in enumerate(scenes):
        for column, look in enumerate(LOOKS):
            if truth.seen[row, column]:
                assert truth.numbers[row, column] == pytest.approx(getattr(scene.who.looks, look), abs=1e-6)


@pytest.mark.parametrize("name", ["a", "b"])
def test_a_judge_learns_and_is_read_back_as_it_was_written(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    judge = new_judge(name)
    scenes = group_scenes(0)
    images = pictures_of(scenes)
    details = np.stack([sampled(render_with_details(scene)[1]) for scene in scenes]).astype(np.int64)
    lesson = Lesson(images, truth_of(scenes), torch.from_numpy(details), groups=1)
    optimizer = torch.optim.Adam(judge.parameters(), 1e-3)
    losses = []
    for _ in range(4):
        loss = judge_loss(judge(images), lesson)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]
    save_judge(judge, tmp_path / "judge.safetensors")
    again = open_judge(name, tmp_path / "judge.safetensors")
    vectors = again(images).vectors
    assert torch.allclose(vectors, judge(images).vectors, atol=2e-2)
    assert vectors.norm(dim=1).tolist() == pytest.approx([1.0] * len(scenes), abs=1e-4)
    assert set(again.read(images[:1])[0]) == set(ATTRIBUTES)


def test_an_animal_is_recognized_as_the_same_whichever_side_it_faces() -> None:
    torch.manual_seed(0)
    judge, images = new_judge("a").eval(), pictures_of(group_scenes(1))
    seen, mirrored = judge.recognize(images), judge.recognize(images.flip(-1))
    assert torch.allclose(seen, mirrored, atol=1e-5)
    assert seen.norm(dim=1).tolist() == pytest.approx([1.0] * len(images), abs=1e-4)
    assert not torch.allclose(judge(images).vectors, judge(images.flip(-1)).vectors, atol=1e-5)


def test_measures_are_shares_and_correlations() -> None:
    torch.manual_seed(0)
    found = measure(new_judge("b").eval(), "development", 2, alike=3)
    assert set(found) == {"again", "again, photo", "words", "numbers"}
    assert all(-1 <= value <= 1 for value in found.values())


def test_a_moved_picture_and_its_details_move_alike() -> None:
    """A picture whose colors are its details stays one, but for the edges between them."""
    scenes = [random_scene(seed) for seed in range(8)]
    details = torch.from_numpy(np.stack([sampled(render_with_details(scene)[1]) for scene in scenes])).long()
    images = details[:, None].float().repeat_interleave(4, 2).repeat_interleave(4, 3)
    moved, told = moved_alike(images, details, torch.Generator().manual_seed(5))
    assert (told != details).float().mean() > 0.05  # something did move
    seen = moved[:, 0, 2::4, 2::4]
    inside = functional.max_pool2d(told[:, None].float(), 3, 1, 1) == -functional.max_pool2d(
        -told[:, None].float(), 3, 1, 1
    )
    same = (seen - told).abs() < 0.01
    assert inside[:, 0].float().mean() > 0.5
    assert same[inside[:, 0]].float().mean() > 0.97


def test_the_judge_that_comes_with_the_model_reads_drawings() -> None:
    """It is not sure of everything, but of these."""
    judge = open_judge("a", REPOSITORY / "models" / "menagerie" / "judges" / "judge_a.safetensors")
    scenes = [random_scene(100_000_000 + index) for index in range(24)]
    found = compare(judge, pictures_of(scenes), scenes)
    assert all(found[name] > 0.8 for name in ("species", "pose", "place", "style", "side"))
    assert found["numbers"] > 0.5
