"""How much a job asks of an engine: so many steps of so many rows, and pictures to decode."""

from __future__ import annotations

import math
from typing import NamedTuple

from core.jobs.records import JobSpec
from core.models.sweeps import CELLS_AT_ONCE


class Work(NamedTuple):
    """`steps` of `rows` rows each, then `pictures` are decoded; with `exact` each row has a call to itself."""

    steps: int
    rows: int
    pictures: int = 0
    exact: int = 0

    def told(self) -> str:
        """Return it as a text for Redis."""
        return " ".join(map(str, self))

    @classmethod
    def heard(cls, text: str | None) -> Work | None:
        """Return what `told` told; None for what is missing or was told by another version."""
        try:
            return cls(*map(int, (text or "").split()))
        except (TypeError, ValueError):
            return None


def work_of(spec: JobSpec) -> Work:
    """Return how much a job asks for, from its first step on."""
    if spec.personalize:
        return Work(spec.personalize.steps, 1, 0, int(spec.personalize.exact))
    if spec.edit is None:  # a tail that came as a file
        return Work(1, 0)
    edit = spec.edit
    steps = edit.num_inference_steps if edit.strength is None else int(edit.num_inference_steps * edit.strength)
    guided = edit.guidance_scale != 1 or bool(spec.sweep and spec.sweep.guidance_scale)
    pictures, at_once = edit.num_images, edit.num_images
    if spec.sweep:
        pictures, at_once = spec.sweep.size, min(spec.sweep.size, CELLS_AT_ONCE)
    rounds = math.ceil(pictures / at_once)
    return Work(max(1, steps) * rounds, at_once * (1 + guided), pictures, int(edit.exact))
