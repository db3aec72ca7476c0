"""Which job a worker takes next: what must run alone, what met a crash, and then the others."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable

import structlog

from core.errors import StorageUnavailableError
from core.jobs.attempts import Attempt
from core.jobs.claims import Claims
from core.jobs.records import JobKind
from core.live.names import ALONE, again
from worker.serving.active import ActiveAttempt
from worker.serving.slots import Slots

log = structlog.get_logger()
COMPANY_S = 3  # how long others are let in before the next job runs alone
ELECTED_S = 20  # how long a worker is the one that makes itself free, unless it asks again


class Taker:
    """Takes jobs into free slots. Safe in many threads.

    A killer is found by halves: jobs that met one crash fill at most half of a kind's slots, those that met two run
    alone, on an idle worker if there is one, else on the one that is elected to make itself free.
    """

    def __init__(self, claims: Claims, slots: Slots, make_room: Callable[[], None]) -> None:
        """`make_room` is asked to end or hand back soon what runs here."""
        self.claims = claims
        self.slots = slots
        self._make_room = make_room
        self._lock = threading.Lock()
        self._company_until = float("-inf")
        self._met_a_crash: Counter[JobKind] = Counter()
        self._counted: set[str] = set()  # by token, the attempts in `_met_a_crash`: by the line that they came from

    def take(self, kind: JobKind) -> Attempt | None:
        """Claim the next job for a kind's slots; None when there is none or no slot is free."""
        if self._somebody_must_run_alone():
            if self.slots.take_all():
                if attempt := self._claim(ALONE, self.slots.give_all):
                    return attempt
            elif self.claims.store.live.workers.elect(self.claims.worker_id, ELECTED_S):
                self._make_room()
                return None  # whichever attempt ends last comes back here
        if not self.slots.take(kind):
            return None
        return self._take_one_that_met_a_crash(kind) or self._claim(kind, lambda: self.slots.give(kind))

    def _somebody_must_run_alone(self) -> bool:
        if time.monotonic() < self._company_until:
            return False
        return self.claims.store.live.lines.has_any(ALONE, list(self.claims.serves()))

    def _take_one_that_met_a_crash(self, kind: JobKind) -> Attempt | None:
        """Claim a job that met a crash, while these fill less than half of the slots; its slot is taken already."""
        with self._lock:
            if self._met_a_crash[kind] >= max(1, self.slots.limits[kind] // 2):
                return None
            self._met_a_crash[kind] += 1
        if attempt := self._claim(again(kind), lambda: self._leave(kind)):
            with self._lock:
                self._counted.add(attempt.token)
        return attempt

    def _leave(self, kind: JobKind) -> None:
        with self._lock:
            self._met_a_crash[kind] -= 1

    def _claim(self, line: str, give: Callable[[], None]) -> Attempt | None:
        attempt = None
        try:
            attempt = self.claims.take(line)
        finally:
            if attempt is None:
                give()
        return attempt

    def end_probation(self, active: ActiveAttempt) -> None:
        """Let others in beside a job that has run alone for long enough; without storage it stays alone."""
        try:
            self.claims.note_company(active.attempt)
        except StorageUnavailableError as error:
            log.warning("probation.storage_away", job=active.attempt.spec.id, error=error.detail)
            return
        with self._lock:
            if active.alone:
                active.alone = False
                self.slots.share(active.attempt.spec.kind)
                self._company_until = time.monotonic() + COMPANY_S

    def give(self, active: ActiveAttempt) -> None:
        """Give an attempt's slots back."""
        kind = active.attempt.spec.kind
        with self._lock:
            if active.alone:
                active.alone = False
                self.slots.give_all()
                self._company_until = time.monotonic() + COMPANY_S
                return
            if active.attempt.token in self._counted:
                self._counted.remove(active.attempt.token)
                self._met_a_crash[kind] -= 1
        self.slots.give(kind)
