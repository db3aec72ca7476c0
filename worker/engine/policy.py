"""Who goes next, and with how many: plain numbers only, no tensors and no clocks of its own."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Literal, Protocol, TypeAlias, TypeVar

Kind: TypeAlias = Literal["edit", "personalize"]

WEIGHTS: dict[Kind, float] = {"edit": 4.0, "personalize": 1.0}


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


class Shares:
    """Device seconds by kind, divided by the kind's weight: the kind with the least goes next.

    This is start-time fair queueing (Goyal et al., 1996): a kind that arrives begins at the clock of the one served
    last, so that nobody cashes in the time in which it wanted nothing.
    """

    def __init__(self) -> None:
        self._clock: dict[Kind, float] = dict.fromkeys(WEIGHTS, 0.0)
        self._now = 0.0
        self._waited: frozenset[Kind] = frozenset()

    def next(self, waiting: Iterable[Kind]) -> Kind:
        """Return which of the waiting kinds is served next; at a tie the heavier one."""
        kinds = frozenset(waiting)
        for kind in kinds - self._waited:
            self._clock[kind] = max(self._clock[kind], self._now)
        self._waited = kinds
        chosen = min(kinds, key=lambda kind: (self._clock[kind], -WEIGHTS[kind]))
        self._now = self._clock[chosen]
        return chosen

    def charge(self, kind: Kind, seconds: float) -> None:
        """Note that `kind` was served for `seconds` of device time."""
        self._clock[kind] += seconds / WEIGHTS[kind]


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
