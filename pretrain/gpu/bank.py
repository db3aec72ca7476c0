"""What a training has taken from the board, on its own device: a ring that forgets the oldest pictures."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pretrain.gpu.board import EMPTY, Board, Rows

Shapes = Mapping[str, tuple[tuple[int, ...], torch.dtype]]


class Bank:
    """Rows of named tensors on a device, `chunk` at a time; `held` (a tensor, for recorded steps) counts them."""

    def __init__(self, capacity: int, chunk: int, shapes: Shapes, device: torch.device) -> None:
        """`capacity` is rounded down to whole chunks."""
        self._capacity, self._chunk, self._device = capacity // chunk * chunk, chunk, device
        self.columns = {
            name: torch.empty(self._capacity, *shape, dtype=dtype, device=device)
            for name, (shape, dtype) in shapes.items()
        }
        self.held = torch.zeros((), device=device)
        self._put = 0

    def __len__(self) -> int:
        return min(self._put, self._capacity)

    def put(self, rows: Mapping[str, Tensor]) -> None:
        """Take in a chunk, each (chunk, ...)."""
        first = self._put % self._capacity
        for name, column in self.columns.items():
            column[first : first + self._chunk].copy_(rows[name])
        self._put += self._chunk
        self.held.fill_(len(self))

    def draw(self, count: int, run: int = 1) -> Tensor:
        """Return rows drawn at random, (count * run,): runs of so many side by side."""
        firsts = (torch.rand(count, device=self._device) * (self.held / run)).long() * run
        return (firsts[:, None] + torch.arange(run, device=self._device)).flatten()


class Intake:
    """Takes chunks of some kinds from a board as soon as they are drawn."""

    def __init__(self, board: Board, kinds: tuple[int, ...], take: Callable[[Rows, int], None]) -> None:
        """`take` gets what a chunk holds and its kind."""
        self._board, self._kinds, self._take = board, kinds, take
        self._taken: set[int] = set()

    def __call__(self, most: int = 80, seconds: float = 0.5) -> int:
        """Take what is there and was not taken yet, at most so many chunks, for so long; returns how many."""
        count, kinds, until = 0, np.array(self._board.kinds), time.monotonic() + seconds
        for number in np.flatnonzero(kinds != EMPTY).tolist():
            if number in self._taken:
                continue
            if count == most or (count and time.monotonic() > until):
                break
            self._taken.add(number)
            if kinds[number] in self._kinds:
                self._take(self._board.chunk(number), int(kinds[number]))
                count += 1
        return count


def on_device(rows: Rows, name: str, device: torch.device) -> Tensor:
    """Return a column of a chunk on a device."""
    values: Any = rows[name]
    return torch.from_numpy(values.copy()).to(device, non_blocking=True)


def as_images(pictures: Tensor) -> Tensor:
    """(B, H, W, 3) bytes to (B, 3, H, W) floats in -1..1, pixel by pixel in memory."""
    return pictures.permute(0, 3, 1, 2).float().div(127.5).sub(1)


def quickly(device: torch.device) -> torch.autocast:
    """Return a context that computes in bfloat16 on a GPU; most CPUs are slower in it."""
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda")
