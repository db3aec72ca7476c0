"""Makes open jobs known to Redis that it never heard of or has forgotten."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from functools import partial
from threading import Thread

import structlog
from pydantic import ValidationError

from core.errors import GoneError, NotFoundError
from core.jobs import keys
from core.jobs.ids import is_job_id
from core.jobs.store import JobStore
from core.pace import Pace
from core.storage.base import ObjectInfo

RECENT_EVERY_S = 10  # how often the markers of the last minutes are listed
RECENT_MINUTES = 3
ALL_EVERY_S = 3600  # how often all of them are: what is this old and unknown has met several mishaps
ABANDONED_S = 3600  # a marker without a job so long after belongs to a request that never got its 202
READERS = 8  # threads that read specs while Redis is filled again
READ_AT_ONCE = 1000  # fewer than the cache of specs holds
log = structlog.get_logger()


class Adoption:
    """Finds open jobs by their markers in storage.

    The recent ones are looked at often, which costs what was accepted lately; all of them when Redis has lost its
    memory, on a thread of its own, so that reaping and nudging go on.
    """

    def __init__(self, store: JobStore, guarded: Callable[[str, Callable[[], object]], None]) -> None:
        """`guarded` runs what concerns one job and contains what is wrong with it."""
        self._store = store
        self._guarded = guarded
        self._recent = Pace(RECENT_EVERY_S)
        self._all = Pace(ALL_EVERY_S)
        self._thread: Thread | None = None

    def go_on(self, *, filling: str = "") -> None:
        """Do what is due now; `filling`, if any, is what Redis says is to be done, until it is told that it was."""
        if self._thread is None or not self._thread.is_alive():
            if self._all.due() or filling:
                self._thread = Thread(target=self._adopt_all, args=(filling,), name="adoption", daemon=True)
                self._thread.start()
                self._thread.join(timeout=1)  # a few hundred are quick, and what follows may go by them
            elif self._recent.due():
                self.adopt(self._recent_markers())

    def _recent_markers(self) -> list[ObjectInfo]:
        now = self._store.clock.now()
        minutes = [now - timedelta(minutes=ago) for ago in range(RECENT_MINUTES)]
        return [info for minute in minutes for info in self._store.storage.list(keys.open_markers(minute))]

    def _adopt_all(self, filling: str) -> None:
        try:
            self.adopt(self._store.storage.list(keys.OPEN_MARKERS))
            if filling:
                self._store.live.watches.filled(filling)
        except Exception as error:  # an outage, mostly: it is done again
            log.warning("adoption.failed", error=str(error))
            self._all.hurry()

    def adopt(self, markers: Iterable[ObjectInfo]) -> None:
        """Track the jobs of these markers that are not known as open, oldest first, so that lines keep their order."""
        by_age = sorted(markers, key=lambda marker: marker.modified)
        by_age = [marker for marker in by_age if is_job_id(keys.marked_job(marker.key))]
        known = self._store.live.open_jobs.are_open([keys.marked_job(marker.key) for marker in by_age])
        unknown = [marker for marker, is_known in zip(by_age, known, strict=True) if not is_known]
        with ThreadPoolExecutor(READERS) as pool:
            for first in range(0, len(unknown), READ_AT_ONCE):
                some = unknown[first : first + READ_AT_ONCE]
                list(pool.map(self._read, some))
                for marker in some:
                    self._guarded(keys.marked_job(marker.key), partial(self._track, marker))

    def _read(self, marker: ObjectInfo) -> None:
        """Bring a spec into the cache, where `_track` finds it; what is wrong with it is `_track`'s to see to."""
        with suppress(NotFoundError, GoneError, ValidationError):
            self._store.spec(keys.marked_job(marker.key))

    def _track(self, marker: ObjectInfo) -> None:
        job_id = keys.marked_job(marker.key)
        try:
            spec = self._store.spec(job_id)
            if marker.key != keys.open_marker(spec.id, spec.created_at):  # of a request that was cut off and repeated
                self._store.storage.delete(marker.key)  # the job's own was there before the job
            self._store.track(spec)
        except NotFoundError:
            if (self._store.clock.now() - marker.modified).total_seconds() > ABANDONED_S:
                self._store.storage.delete_prefix(keys.job(job_id))
                self._store.storage.delete(marker.key)
        except GoneError:
            self._store.storage.delete(marker.key)
