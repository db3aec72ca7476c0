"""What is said of a personalization: nothing when it went well, and what to look at when it did not."""

from __future__ import annotations

import pytest

from core.models.fit import Fit


def test_a_tail_that_explains_is_no_reason_for_words() -> None:
    fit = Fit(loss=0.04, loss_prompt=0.05, loss_empty=0.08)
    assert fit.explained == pytest.approx(0.5)
    assert fit.warnings == []


def test_a_prompt_that_is_worse_than_none_is_told() -> None:
    (warning,) = Fit(loss=0.15, loss_prompt=0.19, loss_empty=0.07).warnings
    assert "Check the prompt" in warning


def test_a_tail_that_adds_nothing_is_told() -> None:
    (warning,) = Fit(loss=0.0499, loss_prompt=0.05, loss_empty=0.08).warnings
    assert "More steps or another picture" in warning


def test_a_loss_of_nothing_divides_nothing() -> None:
    assert Fit(loss=0, loss_prompt=0, loss_empty=0).explained == 0
