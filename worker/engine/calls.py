"""Runs a batch as one call; splits it when a row is broken, halves it when memory is short."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from worker.engine.batching import Group, Row
from worker.engine.execution import execute
from worker.engine.memory import Capacity
from worker.engine.policy import bucket_for
from worker.engine.stats import Meter
from worker.engine.ticket import DeviceMemoryError

log = logging.getLogger(__name__)

CALLS_BEFORE_GROWTH = 64

_OUT_OF_MEMORY_SIGNS = ("DefaultCPUAllocator", "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED")


@dataclass(frozen=True)
class Failure:
    """The outcome of a row whose call raised."""

    error: Exception


@dataclass
class _Limit:
    rows: int
    full_calls: int = 0


class Calls:
    """Runs batches and contains what goes wrong in them.

    On a device with memory of its own a call has the rows that fit into what is free, as far as calls of its size have
    shown. A call that raises is split until the guilty row stands alone. A call that runs out of memory halves the
    limit of its size of rows and is run again in halves; the limit doubles again after many full calls that went well.
    """

    def __init__(
        self, max_batch: int, meter: Meter, tick: Callable[[], None], capacity: Capacity | None = None
    ) -> None:
        """`tick` is called ahead of every call, for a batch that is split may take many."""
        self._max_batch = max_batch
        self._tick = tick
        self._meter = meter
        self._capacity = capacity or Capacity(max_batch)
        self._limits: dict[Hashable, _Limit] = {}

    def limit(self, row: Row) -> int:
        """Return how many rows a call with the given row may have."""
        found = self._limits.get(row.group.size)
        fitting = self._capacity.rows(row.group.size, row.run.backbone.device)
        return row.group.exact_bucket or (fitting if found is None else min(found.rows, fitting))

    def run(self, rows: Sequence[Row]) -> list[Any]:
        """Run rows of one group; returns each row's result or Failure."""
        if len(rows) > self.limit(rows[0]):
            return self._run_halves(rows)
        group = rows[0].group
        bucket = group.exact_bucket or bucket_for(len(rows))
        results, error = self._call(rows, bucket)
        if error is None:
            self._note_success(group, bucket)
            return results
        if is_out_of_memory(error):
            error = self._note_shortage(group, bucket, error)
        if len(rows) == 1 or isinstance(error, DeviceMemoryError):
            return [Failure(error)] * len(rows)
        return self._run_halves(rows)

    def _run_halves(self, rows: Sequence[Row]) -> list[Any]:
        half = bucket_for(len(rows)) // 2
        return self.run(rows[:half]) + self.run(rows[half:])

    def _call(self, rows: Sequence[Row], bucket: int) -> tuple[list[Any], Exception | None]:
        """Return the results, or the error; outside of `except` the failed call's tensors can be freed."""
        self._tick()
        requests, backbone = [row.request for row in rows], rows[0].run.backbone
        started = time.perf_counter()
        try:
            with self._capacity.measuring(rows[0].group.size, backbone.device, bucket):
                results = execute(backbone, requests, bucket)
        except Exception as error:
            log.warning(
                "call.failed request=%s rows=%d error=%r",
                type(requests[0]).__name__,
                len(rows),
                error,
                exc_info=not is_out_of_memory(error),
            )
            return [], error.with_traceback(None)
        seconds = time.perf_counter() - started
        self._meter.call(type(requests[0]).__name__, rows=len(rows), bucket=bucket, seconds=seconds)
        return results, None

    def _note_shortage(self, group: Group, bucket: int, error: Exception) -> Exception:
        """Halve the limit; returns DeviceMemoryError when the call can't be made smaller."""
        self._meter.out_of_memory()
        torch.cuda.empty_cache()
        if bucket == 1 or group.exact_bucket:
            return DeviceMemoryError(
                f"a {group.request.__name__} call of {bucket} rows does not fit into memory: {error}"
            )
        self._limits[group.size] = _Limit(bucket // 2)
        return error

    def _note_success(self, group: Group, bucket: int) -> None:
        limit = self._limits.get(group.size)
        if limit is None or bucket < limit.rows:
            return
        limit.full_calls += 1
        if limit.full_calls >= CALLS_BEFORE_GROWTH:
            self._limits[group.size] = _Limit(limit.rows * 2)
            if limit.rows * 2 >= self._max_batch:
                del self._limits[group.size]


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error means that memory ran out: torch's, Python's, or a plain RuntimeError of an allocator."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _OUT_OF_MEMORY_SIGNS)
