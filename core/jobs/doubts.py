"""Jobs of which something may still be written after their end; they are swept once more, later."""

from __future__ import annotations

from contextlib import suppress

from core.jobs import keys
from core.jobs.ids import is_job_id
from core.jobs.store import JobStore
from core.jobs.sweep import sweep
from core.pace import Pace
from core.storage.base import ObjectMissingError

EVERY_S = 60
AFTER_S = 900  # longer than a process is likely to stand still and then go on


class Doubts:
    """Sweeps jobs whose attempts were lost again, long after; costs what was lost, not what has ended."""

    def __init__(self, store: JobStore) -> None:
        self._store = store
        self._pace = Pace(EVERY_S)

    def go_on(self) -> None:
        """Sweep the jobs that have ended and were noted long ago."""
        if not self._pace.due():
            return
        for info in list(self._store.storage.list(keys.DOUBTS)):
            job_id = info.key.removeprefix(keys.DOUBTS)
            age_s = (self._store.clock.now() - info.modified).total_seconds()
            if age_s < AFTER_S or not is_job_id(job_id):
                continue
            if end := self._store.end(job_id):
                sweep(self._store.storage, job_id, end)
                if end.deleted:
                    self._remove_entries(info.key)
                self._store.storage.delete(info.key)

    def _remove_entries(self, key: str) -> None:
        with suppress(ObjectMissingError):  # another leader was faster
            self._store.lists.remove(self._store.storage.get(key).decode().split())
