"""Parameter sweeps: one edit for each combination of some values, as one job."""

from __future__ import annotations

from itertools import product
from typing import Annotated, Any

from pydantic import Field

from core.models.parameters import Params

SEED_LIMIT = 2**32
CELLS_AT_ONCE = 8  # that are sampled side by side: as many pictures as one edit may have
Scale = Annotated[float, Field(ge=0, le=2)]
Guidance = Annotated[float, Field(ge=1, le=30)]
Seed = Annotated[int, Field(ge=0, lt=SEED_LIMIT)]


class Sweep(Params):
    """The values that a sweep goes through; what is left out is as the edit says.

    The fields are called as those of an edit whose place they take. The first ones vary slowest.
    """

    prompt: list[str] | None = Field(None, min_length=1)
    seed: list[Seed] | None = Field(None, min_length=1)
    tail_scale: list[Scale] | None = Field(None, min_length=1)
    guidance_scale: list[Guidance] | None = Field(None, min_length=1)

    @property
    def axes(self) -> dict[str, list[Any]]:
        """The values by field, of the fields that are swept."""
        return {name: values for name, values in self if values is not None}

    @property
    def size(self) -> int:
        """How many combinations there are."""
        size = 1
        for values in self.axes.values():
            size *= len(values)
        return size

    def cells(self) -> list[dict[str, Any]]:
        """Return the fields of each edit that differ from the job's."""
        names = tuple(self.axes)
        return [dict(zip(names, values, strict=True)) for values in product(*self.axes.values())]

    def columns(self) -> int:
        """Return how many pictures stand in a row of the grid: the values of the last field that has several."""
        counts = [len(values) for values in self.axes.values() if len(values) > 1]
        return counts[-1] if counts else 1
