"""Rows that fit into a device's memory. The device is a stand-in: what its memory answers is the point."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch

from core.diffusion.requests import PredictNoise, Routine
from tests.support.tiny_backbone import TinyBackbone, prompt
from worker.engine.batching import Row, group_of
from worker.engine.calls import Calls, Failure
from worker.engine.device.memory import FIRST_ROWS, Capacity, CudaMemory, MpsMemory, limit_memory, memory_of
from worker.engine.pace import Pace
from worker.engine.run import Run
from worker.engine.stats import Meter
from worker.engine.ticket import Ticket

CPU = torch.device("cpu")


@dataclass
class Memory:
    """A device on which so much is free, and a call takes `per_row` bytes for each of its rows."""

    free: int
    per_row: int
    backbone: TinyBackbone
    calls: int = 0

    def free_bytes(self) -> int:
        return self.free

    def begin(self) -> None:
        self.calls = len(self.backbone.calls)

    def peak_bytes(self) -> int:
        return sum(size * self.per_row for _, size in self.backbone.calls[self.calls :])


@pytest.fixture
def memory(backbone: Any) -> Memory:
    return Memory(free=1000, per_row=100, backbone=backbone)


def rows_of(backbone: Any, count: int) -> list[Row]:
    job: Routine[Any] = (_ for _ in ())  # type: ignore[assignment]  # never run: only its requests matter
    run = Run(Ticket(kind="edit", name="job", on_cancel=lambda: None), job, backbone)
    requests = [
        PredictNoise(torch.full((4, 4, 4), float(n), dtype=torch.float64), 5, prompt("a")) for n in range(count)
    ]
    return [Row(run, n, request, n, group_of(run, request)) for n, request in enumerate(requests)]


def test_on_the_cpu_the_most_is_always_allowed() -> None:
    capacity = Capacity(16)
    with capacity.measuring("size", CPU, 4):
        pass
    assert capacity.rows("size", CPU) == 16


def test_the_first_call_of_a_size_is_small_and_the_next_has_the_rows_that_fit(memory: Memory) -> None:
    capacity = Capacity(64, lambda _: memory)
    assert capacity.rows("size", CPU) == FIRST_ROWS
    with capacity.measuring("size", CPU, 4):
        memory.backbone.calls.append(("predict", 4))
    assert capacity.rows("size", CPU) == 8  # 0.8 x 1000 bytes / 100
    assert capacity.rows("another size", CPU) == FIRST_ROWS
    memory.free = 790
    assert capacity.rows("size", CPU) == 4
    memory.free = 0
    assert capacity.rows("size", CPU) == 1
    memory.free = 10**9
    assert capacity.rows("size", CPU) == 64


def test_a_call_that_raises_teaches_nothing(memory: Memory) -> None:
    capacity = Capacity(16, lambda _: memory)
    with pytest.raises(torch.OutOfMemoryError), capacity.measuring("size", CPU, 4):
        raise torch.OutOfMemoryError
    assert capacity.rows("size", CPU) == FIRST_ROWS


def test_calls_have_the_rows_that_fit_and_every_row_gets_its_own_result(backbone: Any, memory: Memory) -> None:
    calls = Calls(16, Meter(), Pace(), Capacity(16, lambda _: memory))
    rows = rows_of(backbone, 16)

    results = calls.run(rows)

    assert [size for _, size in backbone.calls] == [4, 4, 8]  # what was learned in the first quarter
    assert not any(isinstance(result, Failure) for result in results)
    for row, result in zip(rows, results, strict=True):
        [alone] = calls.run([row])
        torch.testing.assert_close(result, alone, rtol=0, atol=1e-9)


def test_memory_that_others_took_makes_the_next_call_smaller(backbone: Any, memory: Memory) -> None:
    calls = Calls(16, Meter(), Pace(), Capacity(16, lambda _: memory))
    calls.run(rows_of(backbone, 4))
    memory.free = 300
    assert calls.limit(rows_of(backbone, 1)[0]) == 2


@dataclass
class Gpu:
    """What torch says of a GPU of 1,000 bytes that this process may have a share of."""

    unused: int
    reserved: int
    allocated: int
    share: float = 1.0

    def install(self, monkeypatch: pytest.MonkeyPatch) -> CudaMemory:
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (self.unused, 1000))
        monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: self.reserved)
        monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _: self.allocated)
        monkeypatch.setattr(torch.cuda, "get_per_process_memory_fraction", self._fraction)
        return CudaMemory(torch.device("cuda"))

    def _fraction(self, number: int | None) -> float:
        assert number is None, "torch takes no device without a number here"
        return self.share


def test_all_that_is_unused_is_free_without_a_share(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Gpu(unused=600, reserved=300, allocated=100).install(monkeypatch).free_bytes() == 800


def test_a_share_ends_what_is_free_though_more_is_unused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Gpu(unused=600, reserved=300, allocated=100, share=0.5).install(monkeypatch).free_bytes() == 400


def test_what_another_process_took_is_not_free_though_the_share_has_room(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Gpu(unused=50, reserved=300, allocated=100, share=0.9).install(monkeypatch).free_bytes() == 250


def test_an_apple_gpus_peak_is_what_its_emptied_pool_grows_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has run it on one: the stand-in says what torch's pages say of its functions."""
    pool, in_use = [700], 300
    monkeypatch.setattr(torch.mps, "recommended_max_memory", lambda: 1000)
    monkeypatch.setattr(torch.mps, "current_allocated_memory", lambda: in_use)
    monkeypatch.setattr(torch.mps, "driver_allocated_memory", lambda: pool[-1])
    monkeypatch.setattr(torch.mps, "empty_cache", lambda: pool.append(in_use))
    memory = memory_of(torch.device("mps"))

    assert isinstance(memory, MpsMemory)
    assert memory.free_bytes() == 700
    memory.begin()
    pool.append(520)
    assert memory.peak_bytes() == 220


@pytest.mark.parametrize(("device", "wanted"), [("auto", [0.5]), ("mps", [0.5]), ("cpu", [])])
def test_a_share_of_an_apple_gpu_is_told_to_torch(
    device: str, wanted: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[float] = []
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.mps, "set_per_process_memory_fraction", told.append)
    limit_memory(device, 0.5)
    limit_memory(device, 1.0)
    assert told == wanted


@pytest.mark.parametrize(("device", "number"), [("auto", None), ("cuda", None), ("cuda:1", 1)])
def test_a_share_is_told_to_torch(device: str, number: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[float, int | None]] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", lambda *given: told.append(given))
    limit_memory(device, 0.5)
    limit_memory(device, 1.0)
    assert told == [(0.5, number)]


def test_a_share_of_no_gpu_is_nothing() -> None:
    limit_memory("cpu", 0.5)
    limit_memory("auto", 1.0)
    assert memory_of(CPU) is None
