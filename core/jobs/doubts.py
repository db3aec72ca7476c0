"""Jobs of which something may still be written after their end; they are swept once more, later."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from core.jobs import keys
from core.jobs.ids import is_job_id
from core.jobs.store import JobStore
from core.jobs.sweep import sweep
from core.pace import Pace
from core.storage.base import ObjectInfo, ObjectMissingError

EVERY_S = 60
AFTER_S = 900  # longer than a process is likely to stand still and then go on
MOST_S = 1.0  # in one pass of the reconciler: it must go on leading


class Doubts:
    """Sweeps jobs whose attempts were lost again, long after; costs what was lost, not what has ended."""

    def __init__(self, store: JobStore, guarded: Callable[[str, Callable[[], object]], None]) -> None:
        """`guarded` runs what concerns one job and contains what is wrong with it."""
        self._store = store
        self._guarded = guarded
        self._pace = Pace(EVERY_S)
        self._last = ""  # the key that was looked at last: behind it the next pass goes on

    def go_on(self) -> None:
        """Sweep some of the jobs that have ended and were noted long ago, all by turns."""
        if not self._pace.due():
            return
        noted = sorted(self._store.storage.list(keys.DOUBTS), key=lambda info: (info.key <= self._last, info.key))
        until = time.monotonic() + MOST_S
        for info in noted:
            job_id = info.key.removeprefix(keys.DOUBTS)
            age_s = (self._store.clock.now() - info.modified).total_seconds()
            if age_s < AFTER_S or not is_job_id(job_id):
                continue
            if time.monotonic() > until:
                self._pace.hurry()
                return
            self._guarded(job_id, partial(self._sweep, info, job_id))
            self._last = info.key

    def _sweep(self, info: ObjectInfo, job_id: str) -> None:
        if end := self._store.end(job_id):
            sweep(self._store.storage, job_id, end)
            if end.deleted:
                self._remove_entries(info.key)
            self._store.storage.delete(info.key)

    def _remove_entries(self, key: str) -> None:
        with suppress(ObjectMissingError):  # another leader was faster
            self._store.lists.remove(self._store.storage.get(key).decode().split())
