"""Runs a batch as one call; splits it when a row is broken, halves it when memory is short."""

from __future__ import annotations

import logging
import time
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from worker.engine.batching import Group, Row, bucket_for
from worker.engine.device.faults import Fault, fault_of
from worker.engine.device.memory import Capacity, empty_cache
from worker.engine.execution import execute
from worker.engine.pace import Pace
from worker.engine.stats import Meter
from worker.engine.ticket import DeviceMemoryError

log = logging.getLogger(__name__)

CALLS_BEFORE_GROWTH = 64


@dataclass(frozen=True)
class Failure:
    """The outcome of a row whose call raised."""

    error: Exception


@dataclass(frozen=True)
class Shortage(Failure):
    """The outcome of a row that did not fit into memory alone, twice; `cause` is what the device said."""

    cause: Exception


@dataclass
class _Limit:
    rows: int
    full_calls: int = 0


class Calls:
    """Runs batches and contains what goes wrong in them.

    On a device with memory of its own a call has the rows that fit into what is free, as far as calls of its size have
    shown. A call that raises is split until the guilty row stands alone. A call that runs out of memory halves the
    limit of its size of rows and is run again in halves, one that can't be made smaller once more as it is, each time
    with the device's cache emptied; the limit doubles again after many full calls that went well.
    """

    def __init__(self, max_batch: int, meter: Meter, pace: Pace, capacity: Capacity | None = None) -> None:
        """`pace` hears of every call, for a batch that is split may take many."""
        self._max_batch = max_batch
        self._pace = pace
        self._meter = meter
        self._capacity = capacity or Capacity(max_batch)
        self._limits: dict[Hashable, _Limit] = {}

    def limit(self, row: Row) -> int:
        """Return how many rows a call with the given row may have."""
        found = self._limits.get(row.group.size)
        fitting = self._capacity.rows(row.group.size, row.run.backbone.device)
        return row.group.exact_bucket or (fitting if found is None else min(found.rows, fitting))

    def run(self, rows: Sequence[Row]) -> list[Any]:
        """Run rows of one group; returns each row's result, Failure or Shortage.

        An error that says that the device is lost is raised at once: no other row could do better.
        """
        if len(rows) > self.limit(rows[0]):
            return self._run_halves(rows)
        bucket = rows[0].group.exact_bucket or bucket_for(len(rows))
        results, error = self._call(rows, bucket)
        if error is None:
            return results
        if fault_of(error) is Fault.SMALLER_BATCH:
            return self._run_smaller(rows, bucket)
        return [Failure(error)] if len(rows) == 1 else self._run_halves(rows)

    def _run_halves(self, rows: Sequence[Row]) -> list[Any]:
        half = bucket_for(len(rows)) // 2
        return self.run(rows[:half]) + self.run(rows[half:])

    def _run_smaller(self, rows: Sequence[Row], bucket: int) -> list[Any]:
        """Run rows again that did not fit: in halves, or as they are when the call can't be made smaller."""
        group = rows[0].group
        self._note_shortage(rows)
        if bucket > 1 and not group.exact_bucket:
            self._limits[group.size] = _Limit(bucket // 2)
            return self._run_halves(rows)
        results, error = self._call(rows, bucket)
        if error is None:
            return results
        if fault_of(error) is not Fault.SMALLER_BATCH:
            return [Failure(error)] * len(rows)
        self._note_shortage(rows)
        said = f"a {group.request.__name__} call of {bucket} rows does not fit into memory: {error}"
        return [Shortage(DeviceMemoryError(said), error)] * len(rows)

    def _call(self, rows: Sequence[Row], bucket: int) -> tuple[list[Any], Exception | None]:
        """Return the results, or the error; outside of `except` the failed call's tensors can be freed."""
        requests, group, backbone = [row.request for row in rows], rows[0].group, rows[0].run.backbone
        started = time.perf_counter()
        try:
            with self._pace.during(group.size, bucket), self._capacity.measuring(group.size, backbone.device, bucket):
                results = execute(backbone, requests, bucket)
        except Exception as error:
            self._log_failure(rows, error)
            if fault_of(error) is Fault.DEVICE_LOST:
                raise
            return [], error.with_traceback(None)
        self._meter.call(group.request.__name__, rows=len(rows), bucket=bucket, seconds=time.perf_counter() - started)
        self._note_success(group, bucket)
        return results, None

    def _log_failure(self, rows: Sequence[Row], error: Exception) -> None:
        fault = fault_of(error)
        log.warning(
            "call.failed request=%s rows=%d fault=%s error=%r",
            rows[0].group.request.__name__,
            len(rows),
            fault,
            error,
            exc_info=fault is not Fault.SMALLER_BATCH,
        )

    def _note_shortage(self, rows: Sequence[Row]) -> None:
        self._meter.out_of_memory()
        empty_cache(rows[0].run.backbone.device)

    def _note_success(self, group: Group, bucket: int) -> None:
        limit = self._limits.get(group.size)
        if limit is None or bucket < limit.rows:
            return
        limit.full_calls += 1
        if limit.full_calls >= CALLS_BEFORE_GROWTH:
            self._limits[group.size] = _Limit(limit.rows * 2)
            if limit.rows * 2 >= self._max_batch:
                del self._limits[group.size]
