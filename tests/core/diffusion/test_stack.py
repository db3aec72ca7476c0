from __future__ import annotations

import pytest
import torch

from core.diffusion.conditioning import Conditioning
from core.diffusion.stack import stack_conditioning


def row(value: float, *, pooled: bool = False, **extras: torch.Tensor) -> Conditioning:
    return Conditioning(torch.full((6, 3), value), torch.full((2,), value) if pooled else None, extras)


def test_rows_become_a_batch_part_by_part() -> None:
    stacked = stack_conditioning([row(i, pooled=True, time_ids=torch.tensor([i, i])) for i in (1.0, 2.0)])
    assert stacked.sequence.shape == (2, 6, 3)
    assert stacked.pooled is not None
    assert stacked.pooled.tolist() == [[1.0, 1.0], [2.0, 2.0]]
    assert stacked.extras["time_ids"].tolist() == [[1.0, 1.0], [2.0, 2.0]]


def test_rows_without_further_parts_stay_without_them() -> None:
    stacked = stack_conditioning([row(1.0)])
    assert (stacked.pooled, dict(stacked.extras)) == (None, {})


@pytest.mark.parametrize("rows", [[], [row(1.0), row(1.0, pooled=True)], [row(1.0), row(1.0, time_ids=torch.zeros(2))]])
def test_rows_with_different_parts_are_an_error(rows: list[Conditioning]) -> None:
    with pytest.raises(ValueError, match="rows"):
        stack_conditioning(rows)
