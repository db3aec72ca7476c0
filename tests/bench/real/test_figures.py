"""The figures, against values worked out by hand."""

from __future__ import annotations

import pytest
import torch

from bench.real.figures import differences, hundredths, likenesses, text_scores


def test_a_picture_is_compared_with_its_own_text() -> None:
    pictures = torch.tensor([[3.0, 4.0], [1.0, 0.0]])
    texts = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    assert text_scores(pictures, texts) == pytest.approx([3 / 5, 0])


def test_a_picture_is_compared_with_all_photographs_of_its_subject() -> None:
    pictures = torch.tensor([[1.0, 0.0], [3.0, 4.0]])
    photographs = torch.tensor([[2.0, 0.0], [0.0, 1.0], [-5.0, 0.0]])
    # (1, 0) has cosines 1, 0 and -1; (3, 4) has 3/5, 4/5 and -3/5
    assert likenesses(pictures, photographs) == pytest.approx([0, 4 / 15])


def test_length_does_not_matter() -> None:
    pictures, photographs = torch.randn(3, 8), torch.randn(2, 8)
    assert likenesses(100 * pictures, photographs / 7) == pytest.approx(likenesses(pictures, photographs), abs=1e-6)


def test_a_figure_is_the_mean_over_subjects_in_hundredths() -> None:
    share = hundredths([[0.2, 0.22], [0.18]])  # .21 and .18
    assert share.mean == 19.5
    assert (share.low, share.high) == (18, 21)


def test_differences_are_paired_over_subjects() -> None:
    share = differences([[0.25, 0.15], [0.30]], [[0.10], [0.10, 0.20]])  # .20 - .10 and .30 - .15
    assert share.mean == 12.5
    assert (share.low, share.high) == (10, 15)
