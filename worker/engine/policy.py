"""Whose turn it is: device seconds shared between the kinds of jobs, in plain numbers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["edit", "personalize"]

WEIGHTS: dict[Kind, float] = {"edit": 4.0, "personalize": 1.0}


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
