"""Writes how attempts end here, however long storage is away."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import structlog

from core.errors import StorageUnavailableError
from core.jobs.attempts import Attempt
from core.jobs.claims import Claims
from core.jobs.records import JobEnd
from worker.serving.active import ActiveAttempt

STORAGE_RETRY_S = 1.0
HAND_BACK_S = 15  # how long a draining worker waits for storage to come back
log = structlog.get_logger()


class Closing:
    """Commits ends and hands jobs back; each method returns the attempt's outcome for the log. Safe in many threads."""

    def __init__(self, claims: Claims, draining: threading.Event) -> None:
        """`draining` says that this worker is to end, and that storage is no longer waited for as long as it takes."""
        self._claims = claims
        self._draining = draining

    def commit(self, active: ActiveAttempt, make_end: Callable[[], JobEnd]) -> str:
        """Write the result and its end; the lease is renewed meanwhile.

        A worker that is to end does not wait as long: then it hands the job back, which costs no attempt.
        """
        until = time.monotonic() + 2 / 3 * HAND_BACK_S
        while True:
            try:
                end = make_end()
                won = self._claims.store.finish(active.attempt.spec, end)
                return end.status if won else "superseded"
            except StorageUnavailableError as error:
                log.warning("attempt.commit.storage_away", job=active.attempt.spec.id, error=error.detail)
                if active.canceled.wait(STORAGE_RETRY_S):
                    return "abandoned"  # the lease runs out and the next attempt goes on from the checkpoint
                if self._draining.is_set() and time.monotonic() > until:
                    return self.hand_back(active, HAND_BACK_S / 3)

    def hand_back(self, active: ActiveAttempt, at_most_s: float | None = None) -> str:
        """Give a job back: an outage must not look like a crash.

        `at_most_s` (HAND_BACK_S) is for how long a worker that is to end tries it.
        """
        until = time.monotonic() + (HAND_BACK_S if at_most_s is None else at_most_s)
        while True:
            try:
                self._claims.hand_back(active.attempt)
            except StorageUnavailableError as error:
                log.warning("attempt.hand_back.storage_away", job=active.attempt.spec.id, error=error.detail)
                if active.canceled.wait(STORAGE_RETRY_S) or (self._draining.is_set() and time.monotonic() > until):
                    return "abandoned"
            else:
                return "handed_back"

    def sweep(self, attempt: Attempt) -> str:
        """Sweep what a canceled attempt wrote before it heard that it is over; without an end its lease was lost."""
        try:
            if end := self._claims.store.end(attempt.spec.id):
                self._claims.store.close(attempt.spec, end)
                return end.status
        except StorageUnavailableError as error:
            log.warning("attempt.sweep.storage_away", job=attempt.spec.id, error=error.detail)
        return "lease_lost"
