"""What a worker tells of itself, once a second while it runs something: how fast it is, and what it runs."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from core.forecast.work import Work
from core.jobs.records import JobKind
from core.record import Record

SMALLER = 0.5  # of the seconds of the smallest call that was seen, what a smaller one takes that was not, at least


class ModelRates(Record):
    """How fast a worker is with one model, as it has measured lately; what it has never done is missing."""

    calls: dict[str, dict[int, float]] = Field({}, description="seconds of the engine by request and rows of a call")
    before_s: dict[JobKind, float] = Field({}, description="what a job takes before its first step")
    aside_s: dict[JobKind, float] = Field({}, description="what it takes after its steps and its decoding")
    load_s: float = Field(0, description="how long it took to load")
    loaded: bool = Field(True, description="whether it is in memory now")

    def seconds(self, request: str, rows: int, most: int) -> float | None:
        """Return what so many rows take, in calls of `most` rows at most; None when nothing is known of them."""
        calls = self.calls.get(request)
        if not calls or rows <= 0:
            return None if rows > 0 else 0.0
        full, left = divmod(rows, most)
        return full * _one_call(calls, most) + (_calls_for(calls, left) if left else 0.0)


class RunningJob(Record):
    """A job that runs in a worker: its work, and how many of its steps are left."""

    id: str
    kind: JobKind
    model_hash: str
    work: Work
    left: float
    pictures_left: int = 0
    waited_s: float | None = Field(None, description="how long it has been here without a step; None: it has made one")


class Load(Record):
    """What a worker runs, at a moment of the fleet's time in seconds since 1970, and how fast it is."""

    at: float
    slots: dict[JobKind, int]
    max_batch: int
    shares: dict[JobKind, float] = Field(description="of the device's time, when both kinds want it")
    models: dict[str, ModelRates] = Field(description="by hash; those that it serves")
    running: tuple[RunningJob, ...] = ()


def _calls_for(calls: Mapping[int, float], rows: int) -> float:
    """Return what rows take that one call might hold: a bucket that they nearly fill, else a smaller one and the rest.

    That is how the engine forms its batches (`worker.engine.batching.rows_to_take`).
    """
    bucket = 1 << (rows - 1).bit_length()
    if rows * 4 >= bucket * 3:
        return _one_call(calls, bucket)
    return _one_call(calls, bucket // 2) + _calls_for(calls, rows - bucket // 2)


def _one_call(calls: Mapping[int, float], rows: int) -> float:
    """Return what one call takes; between and beyond the numbers of rows that were seen, in proportion."""
    if rows in calls:
        return calls[rows]
    below, above = max((n for n in calls if n < rows), default=0), min((n for n in calls if n > rows), default=0)
    if not above:
        return calls[below] * rows / below
    if not below:
        return calls[above] * (SMALLER + (1 - SMALLER) * rows / above)
    share = (rows - below) / (above - below)
    return calls[below] + share * (calls[above] - calls[below])
