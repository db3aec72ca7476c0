"""How many jobs of each kind run at once; a job that must run alone takes all slots."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from core.jobs.records import JobKind


class Slots:
    """How many jobs of each kind this worker runs at once; a full kind never blocks the other.

    A job that must run alone takes all slots, which it gets only when none is taken.
    """

    def __init__(self, limits: Mapping[JobKind, int]) -> None:
        self.limits = dict(limits)
        self._taken: dict[JobKind, int] = dict.fromkeys(limits, 0)
        self._alone = False
        self._lock = threading.Lock()

    def take(self, kind: JobKind) -> bool:
        """Take a slot of a kind if there is a free one."""
        with self._lock:
            if self._alone or self._taken[kind] >= self.limits[kind]:
                return False
            self._taken[kind] += 1
            return True

    def give(self, kind: JobKind) -> None:
        """Give a slot back."""
        with self._lock:
            self._taken[kind] -= 1

    def take_all(self) -> bool:
        """Take the whole worker if it is idle."""
        with self._lock:
            if self._alone or any(self._taken.values()):
                return False
            self._alone = True
            return True

    def give_all(self) -> None:
        """Give the whole worker back."""
        with self._lock:
            self._alone = False

    def share(self, kind: JobKind) -> None:
        """Go on in one slot of a kind after having occupied the whole worker."""
        with self._lock:
            self._alone = False
            self._taken[kind] += 1

    def has_room(self, kind: JobKind) -> bool:
        """Tell whether a slot of a kind is free: none is beside a job that runs alone."""
        with self._lock:
            return not self._alone and self._taken[kind] < self.limits[kind]

    def taken(self) -> dict[JobKind, int]:
        """Return how many slots of each kind are taken."""
        with self._lock:
            return dict(self._taken)
