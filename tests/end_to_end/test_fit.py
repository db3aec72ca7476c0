"""A result says how well it went, on the whole stack: in the job, and in words when something is wrong."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.stack import SAMPLE, RunningStack

pytestmark = pytest.mark.slow


def test_a_picture_and_its_prompt_fit(stack: RunningStack) -> None:
    job = stack.succeeded(stack.personalize(prompt="a standing dog on the grass", seed=2)["id"])
    fit = job["fit"]
    assert fit["loss"] < fit["loss_prompt"] < fit["loss_empty"]
    assert fit["explained"] == pytest.approx(1 - fit["loss"] / fit["loss_empty"], abs=1e-4)
    assert job["warnings"] == []


def test_a_prompt_that_says_something_else_is_told(stack: RunningStack) -> None:
    job = stack.succeeded(stack.personalize(prompt="neon art of a sitting elephant at night", seed=2)["id"])
    assert job["fit"]["loss_prompt"] > job["fit"]["loss_empty"]
    assert any("Check the prompt" in warning for warning in job["warnings"])


def test_the_command_line_tells_it_beside_its_output(stack: RunningStack) -> None:
    words = [str(SAMPLE), "neon art of a sitting elephant at night", "--seed", "2", "--url", str(stack.client.base_url)]
    done = subprocess.run(
        [sys.executable, "-m", "cli", "personalize", *words], capture_output=True, text=True, check=True, timeout=120
    )
    assert "Check the prompt" in " ".join(done.stderr.split())
    assert done.stdout.strip().startswith("tail_")
