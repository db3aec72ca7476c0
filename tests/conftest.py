"""What every file of tests leaves as it found it."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module", autouse=True)
def _arithmetic_as_it_was() -> Iterator[None]:
    """Let numbers next to zero be numbers again: trainings take them for zero, and so do all threads begun afterwards.

    A job with a learning rate of 5e-324 could not be read then by what pretended to be a worker in the same process.
    """
    yield
    if torch := sys.modules.get("torch"):
        torch.set_flush_denormal(False)
