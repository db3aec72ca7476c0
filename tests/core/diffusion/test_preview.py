"""Previews: which steps are shown, and the map from latents to colors."""

from __future__ import annotations

import pytest
import torch

from core.diffusion.learning.preview import MOST, fit_rgb, is_due, to_rgb


@pytest.mark.parametrize("steps", [1, 3, 19, 20, 21, 150, 1000])
def test_at_most_twenty_steps_are_shown_the_last_one_among_them(steps: int) -> None:
    shown = [step for step in range(steps) if is_due(step, steps)]

    assert len(shown) == min(MOST, steps)
    assert shown[-1] == steps - 1


def test_colors_that_are_linear_in_the_latents_are_found_again() -> None:
    rng = torch.Generator().manual_seed(0)
    latents, true = torch.randn(4, 8, 8, generator=rng), torch.randn(3, 5, generator=rng) / 6
    small = to_rgb(true, latents)
    image = small.repeat_interleave(8, 1).repeat_interleave(8, 2)

    found = to_rgb(fit_rgb(image, latents), latents)

    assert (found - small).abs().max() < 0.05


def test_a_picture_of_one_color_gives_a_finite_map() -> None:
    fitted = fit_rgb(torch.full((3, 64, 64), 0.5), torch.zeros(4, 8, 8))

    torch.testing.assert_close(to_rgb(fitted, torch.zeros(4, 8, 8)), torch.full((3, 8, 8), 0.5), atol=0.02, rtol=0)
    assert bool(to_rgb(fitted, torch.randn(4, 8, 8)).isfinite().all())
