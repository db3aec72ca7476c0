"""How many rows a call may have on a device with memory of its own, learned from the calls themselves."""

from __future__ import annotations

import gc
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import torch

from core.diffusion.devices import free_bytes

FIRST_ROWS = 4  # of a call whose need is not known yet
SHARE = 0.8  # of the free memory that a call may take: the allocator's blocks never fit exactly


class DeviceMemory(Protocol):
    """A device's memory as a call sees it."""

    def free_bytes(self) -> int:
        """Return what new tensors may take."""

    def begin(self) -> None:
        """Start to note the peak of a call."""

    def peak_bytes(self) -> int:
        """Return the most that was taken at once since `begin`, beyond what was taken then."""


@dataclass
class CudaMemory:
    """A CUDA device's memory; what torch's allocator holds in reserve is free."""

    device: torch.device
    _before: int = 0

    def free_bytes(self) -> int:
        """Return what new tensors may take, of this process' share of the device."""
        held = torch.cuda.memory_reserved(self.device) - torch.cuda.memory_allocated(self.device)
        return free_bytes(self.device) + held

    def begin(self) -> None:
        """Start to note the peak of a call."""
        torch.cuda.reset_peak_memory_stats(self.device)
        self._before = torch.cuda.memory_allocated(self.device)

    def peak_bytes(self) -> int:
        """Return the most that was taken at once since `begin`, beyond what was taken then."""
        return torch.cuda.max_memory_allocated(self.device) - self._before


@dataclass
class MpsMemory:
    """An Apple GPU's memory, which it shares with the machine; torch tells no peaks, so its pool is emptied before."""

    device: torch.device
    _before: int = 0

    def free_bytes(self) -> int:
        """Return what new tensors may take: what the system recommends, less what is in use."""
        held = torch.mps.driver_allocated_memory() - torch.mps.current_allocated_memory()
        return free_bytes(self.device) + held

    def begin(self) -> None:
        """Start to note the peak of a call, which is then what the pool has grown to."""
        torch.mps.empty_cache()
        self._before = torch.mps.driver_allocated_memory()

    def peak_bytes(self) -> int:
        """Return what the pool has grown by since `begin`."""
        return torch.mps.driver_allocated_memory() - self._before


def limit_memory(device: str, share: float) -> None:
    """Keep this process within a share (0 to 1) of a GPU's memory; `device` is auto or what torch takes.

    Call it before anything is on the GPU. Without a GPU, or for the whole of one, it does nothing.
    """
    if share < 1 and device in ("auto", "mps") and torch.backends.mps.is_available():
        torch.mps.set_per_process_memory_fraction(share)
    if share < 1 and device != "cpu" and torch.cuda.is_available():
        torch.cuda.set_per_process_memory_fraction(share, None if device == "auto" else torch.device(device).index)


def memory_of(device: torch.device) -> DeviceMemory | None:
    """Return a device's memory if rows must be fitted into it; None on the CPU."""
    if device.type == "mps":
        return MpsMemory(device)
    return CudaMemory(device) if device.type == "cuda" else None


def empty_cache(device: torch.device) -> None:
    """Give back what torch's allocator holds in reserve; raises what a lost device raises."""
    gc.collect()  # a failed call's tensors may hang in cycles
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


class Capacity:
    """How many rows calls of each size may have, from the bytes that a row of the last such call took."""

    def __init__(self, most: int, memory_of: Callable[[torch.device], DeviceMemory | None] = memory_of) -> None:
        """`most` rows are never exceeded; on a device without a memory of its own they are always allowed."""
        self._most = most
        self._memory_of = memory_of
        self._row_bytes: dict[Hashable, int] = {}

    def rows(self, size: Hashable, device: torch.device) -> int:
        """Return how many rows fit into the memory that is free now: a power of two, at least 1."""
        memory = self._memory_of(device)
        if memory is None:
            return self._most
        if size not in self._row_bytes:
            return min(FIRST_ROWS, self._most)
        fitting = int(SHARE * memory.free_bytes() / max(1, self._row_bytes[size]))
        return min(self._most, 1 << max(0, fitting.bit_length() - 1))

    @contextmanager
    def measuring(self, size: Hashable, device: torch.device, rows: int) -> Iterator[None]:
        """Note what a call of so many rows takes in this block; nothing is noted when it raises."""
        memory = self._memory_of(device)
        if memory is None:
            yield
            return
        memory.begin()
        yield
        self._row_bytes[size] = memory.peak_bytes() // rows
