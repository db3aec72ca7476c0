"""The menagerie's judges: what they are taught is what the scenes show, and look-alikes are the hard negatives."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from pretrain.judging.network import save_judge
from pretrain.menagerie.captions import ATTRIBUTES
from pretrain.menagerie.individual import random_individual, words_of
from pretrain.menagerie.judge import NUMBERS, new_judge, open_judge
from pretrain.menagerie.judging import ALIKE, SCENES, judge_loss, lesson, measure, pictures_of, truth_of
from pretrain.menagerie.looks import LOOKS
from pretrain.menagerie.scenes import Scene, random_scene, usual_setting


def test_a_lesson_has_scenes_of_each_individual_side_by_side_among_look_alikes() -> None:
    scenes = lesson(torch.Generator().manual_seed(3))
    assert scenes == lesson(torch.Generator().manual_seed(3))
    for first in range(0, len(scenes), SCENES):
        assert len({scene.who.looks for scene in scenes[first : first + SCENES]}) == 1
    group = scenes[: ALIKE * SCENES]
    assert len({scene.who.looks for scene in group}) == ALIKE
    assert all(words_of(scene.who) == words_of(group[0].who) for scene in group)


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
    scenes = lesson(torch.Generator().manual_seed(0))[:6]
    images, truth = pictures_of(scenes), truth_of(scenes)
    optimizer = torch.optim.Adam(judge.parameters(), 1e-3)
    losses = []
    for _ in range(4):
        loss = judge_loss(judge(images), truth)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]
    save_judge(judge, tmp_path / "judge.safetensors")
    again = open_judge(name, tmp_path / "judge.safetensors")
    vectors = again(images).vectors
    assert torch.allclose(vectors, judge(images).vectors, atol=2e-2)
    assert vectors.norm(dim=1).tolist() == pytest.approx([1.0] * 6, abs=1e-4)
    assert set(again.read(images[:1])[0]) == set(ATTRIBUTES)


def test_measures_are_shares_and_correlations() -> None:
    torch.manual_seed(0)
    found = measure(new_judge("b").eval(), "development", 2, alike=3)
    assert set(found) == {"again", "again, photo", "words", "numbers"}
    assert all(-1 <= value <= 1 for value in found.values())
