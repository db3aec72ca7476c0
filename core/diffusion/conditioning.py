"""One row's prompt embeds, and the exchange of their tail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import torch
from torch import Tensor

_NO_EXTRAS: Mapping[str, Tensor] = MappingProxyType({})


@dataclass(frozen=True, eq=False)
class TailSpec:
    """Where a backbone's tail lies: its positions in the sequence, its width and the common RMS of the rows.

    `positions` is the number of vectors n that the tail replaces, always the last n of the `length` vectors.
    """

    length: int
    positions: int
    width: int
    rms: float

    @property
    def head_length(self) -> int:
        """How many vectors, and so how many tokens with BOS and EOS, the prompt has for itself."""
        return self.length - self.positions


@dataclass(frozen=True, eq=False)
class Conditioning:
    """One row's conditioning, without a batch axis.

    `sequence` is `prompt_embeds` (L, D) in float32; `pooled` and `extras` are what backbones with a second text
    encoder or with time ids want beside it (None and empty for SD 1.x and 2.x).
    """

    sequence: Tensor
    pooled: Tensor | None = None
    extras: Mapping[str, Tensor] = field(default_factory=lambda: _NO_EXTRAS)

    def with_tail(self, tail: Tensor) -> Conditioning:
        """Return this conditioning with its last n vectors exchanged for `tail` (n, D)."""
        head = self.sequence[: self.sequence.shape[0] - tail.shape[0]]
        return replace(self, sequence=torch.cat([head, tail.to(head)]))

    def tail(self, positions: int) -> Tensor:
        """Return a copy of the last `positions` vectors, (n, D)."""
        return self.sequence[-positions:].clone()
