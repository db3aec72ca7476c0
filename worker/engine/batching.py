"""Which rows can share a call."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor

from core.diffusion.requests import AdamStep, Request
from worker.engine.policy import Kind

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
