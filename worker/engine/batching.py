"""Forms batches: which rows can share a call, and which of them go into the next one."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from torch import Tensor

from core.diffusion.requests import AdamStep, Request
from worker.engine.policy import Kind, Shares

if TYPE_CHECKING:
    from worker.engine.run import Run


@dataclass(frozen=True)
class Group:
    """Rows of one group can share a call.

    `exact_bucket` is the bucket that all its calls are padded to, or None; `alone` tells apart the routines that share
    a batch with nobody.
    """

    backbone: int
    request: type[Request]
    shapes: Hashable
    exact_bucket: int | None
    alone: int | None

    @property
    def size(self) -> Hashable:
        """Groups of one size need the same memory per row."""
        return self.backbone, self.request, self.shapes


@dataclass(frozen=True, eq=False)
class Row:
    """One request that waits: the `index`-th of those that its routine yielded together.

    `waited_for_memory` says that it did not fit once, and was set aside until memory may be free again.
    """

    run: Run
    index: int
    request: Request
    arrival: int
    group: Group
    waited_for_memory: bool = False

    @property
    def kind(self) -> Kind:
        """Kind of the routine that waits for it."""
        return self.run.ticket.kind

    @property
    def quick(self) -> bool:
        """Adam's step takes microseconds, and its routine can't be in the next UNet call without it."""
        return isinstance(self.request, AdamStep)


def group_of(run: Run, request: Request) -> Group:
    """Return which rows the run's request can share a call with."""
    alone = id(run) if run.alone else None
    return Group(id(run.backbone), type(request), shapes_of(request), run.exact_bucket, alone)


def shapes_of(value: Any) -> Hashable:
    """Return the shape and dtype of every tensor in a request, and which of its optional parts are there."""
    if isinstance(value, Tensor):
        return tuple(value.shape), value.dtype
    if isinstance(value, Mapping):
        return tuple((name, shapes_of(value[name])) for name in sorted(value))
    if is_dataclass(value):
        return tuple(shapes_of(getattr(value, field.name)) for field in fields(value))
    return None


class Candidate(Protocol):
    """A waiting row as the policy sees it."""

    @property
    def kind(self) -> Kind:
        """Kind of the routine that waits for it."""

    @property
    def arrival(self) -> int:
        """Running number: the lower, the longer it has waited."""

    @property
    def group(self) -> Hashable:
        """Rows of one group can share a call."""

    @property
    def quick(self) -> bool:
        """Whether it costs next to nothing and holds its routine back from the next batch."""


R = TypeVar("R", bound=Candidate)


def pick(waiting: Sequence[R], shares: Shares, limit: Callable[[R], int]) -> list[R]:
    """Return the rows of the next call: of the kind whose turn it is, the oldest row and those that fit beside it.

    Rows of the other kind fill up the batch; `limit` says how many rows a call like the given row's may have.
    """
    quick = [row for row in waiting if row.quick]
    if quick:
        first = min(quick, key=lambda row: row.arrival)
    else:
        kind = shares.next(row.kind for row in waiting)
        first = min((row for row in waiting if row.kind == kind), key=lambda row: row.arrival)
    group = [row for row in waiting if row.group == first.group]
    group.sort(key=lambda row: (row.kind != first.kind, row.arrival))
    return group[: rows_to_take(len(group), limit(first))]


def rows_to_take(count: int, limit: int) -> int:
    """Return how many of `count` rows one call takes: the largest full bucket, or all if they nearly fill the next.

    A padded row costs as much as a real one: nine rows are eight and one later, not sixteen; twelve are padded.
    """
    if count >= limit:
        return limit
    bucket = bucket_for(count)
    return count if count * 4 >= bucket * 3 else bucket // 2


def bucket_for(count: int) -> int:
    """Return the smallest of 1, 2, 4, 8, … that holds `count` rows."""
    return 1 << (count - 1).bit_length()
