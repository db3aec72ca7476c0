"""Rows of conditioning as one batch."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from core.diffusion.conditioning import Conditioning


def stack_conditioning(rows: Sequence[Conditioning]) -> Conditioning:
    """Return the rows as one conditioning with a batch axis in front: sequence (B, L, D), and so its other parts.

    The rows must have the same parts, each of one shape.
    """
    if not rows:
        raise ValueError("there are no rows to stack")
    pooled = [row.pooled for row in rows if row.pooled is not None]
    names = set(rows[0].extras)
    if len(pooled) not in (0, len(rows)) or any(set(row.extras) != names for row in rows):
        raise ValueError("all rows of a batch must have the same parts")
    return Conditioning(
        sequence=torch.stack([row.sequence for row in rows]),
        pooled=torch.stack(pooled) if pooled else None,
        extras={name: torch.stack([row.extras[name] for row in rows]) for name in names},
    )
