"""The menagerie's trials: cases that share every word, and figures worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from bench.alike.cases import OTHERS, PICTURES, TARGETS, cases
from bench.alike.scoring import READ, TRUE, Scorer, Slope, average_precision, coordinates, drawn, slopes, words_around
from pretrain.menagerie.colors import NAMED, mixed
from pretrain.menagerie.individual import words_of
from pretrain.menagerie.judge import new_judge
from pretrain.menagerie.looks import LOOKS, bin_of


def test_a_case_is_the_same_whoever_else_is_tried() -> None:
    assert cases("development", 3)[2] == cases("development", 4)[2]
    assert cases("development", 1)[0].who != cases("test", 1)[0].who


def test_look_alikes_share_every_word_and_no_number() -> None:
    case = cases("development", 1)[0]
    assert (len(case.sources), len(case.targets), len(case.alikes)) == (PICTURES, TARGETS, OTHERS)
    for other in case.alikes:
        assert words_of(other) == words_of(case.who)
        for look in LOOKS:
            mine, its = getattr(case.who.looks, look), getattr(other.looks, look)
            assert bin_of(mine) == bin_of(its)
            assert mine != its
    assert {rival.species for rival in case.rivals} == {case.who.species}


def test_what_is_asked_for_is_no_picture_of_it() -> None:
    case = cases("development", 1)[0]
    source = case.sources[0].setting
    assert all(target.setting.pose != source.pose and target.setting.place != source.place for target in case.targets)
    assert all(target.who == case.who for target in case.targets)
    assert case.elsewhere(0) == case.elsewhere(0) != case.elsewhere(1)


@pytest.mark.parametrize(
    ("ranked", "expected"),
    [
        ([[3.0, 0.0], [2.0, 1.0]], 1.0),  # both right ones first
        ([[0.0, 3.0], [1.0, 2.0]], (1 / 3 + 2 / 4) / 2),  # both last
        ([[3.0, 2.0], [1.0, 0.0]], (1 / 1 + 2 / 3) / 2),  # first and third
    ],
)
def test_average_precision(ranked: list[list[float]], expected: float) -> None:
    assert average_precision(torch.tensor(ranked)) == pytest.approx(expected)


def test_slopes() -> None:
    marks = [
        [{TRUE + "girth": value, READ + "girth": 0.5 * value + 0.1}]
        for value in (-1.0, -0.5, 0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    ]
    found = slopes(marks)["girth"]
    assert (found.slope, found.correlation, found.edits) == (pytest.approx(0.5), pytest.approx(1.0), 8)
    assert math.isnan(Slope.of([1.0] * 8, [0.5] * 8).slope)
    assert math.isnan(Slope.of([1.0, 2.0], [0.0, 1.0]).slope)


def test_a_color_is_halfway_only_between_two_words() -> None:
    assert words_around(NAMED["red"]) is None
    between = words_around(mixed(NAMED["golden"], NAMED["yellow"], 0.5))
    assert between is not None
    assert set(between) == {NAMED["golden"], NAMED["yellow"]}
    assert coordinates((0, 0, 0))[0] == pytest.approx(-1.8)


def test_every_question_is_answered_for_the_drawn_truth() -> None:
    torch.manual_seed(1)
    case = cases("development", 1)[0]
    marks = Scorer(new_judge("a").eval()).marks(case, case.targets[0], drawn(case.targets[0]))
    # Even a judge that knows nothing finds the very same picture.
    assert (marks["identity"], marks["alike"]) == (1.0, 1.0)
    assert 1 / 3 <= marks["precision"] <= 1
    assert {"species", "pose", "place", "style", "text", "leak pose", "leak place"} <= marks.keys()
    assert marks[TRUE + "girth"] == pytest.approx(case.who.looks.girth)
