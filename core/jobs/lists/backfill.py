"""Enters the jobs of versions that had no lists, once for all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from threading import Thread

import structlog
from redis.exceptions import RedisError

from core.errors import StorageUnavailableError
from core.jobs.store import JobStore
from core.pace import Pace

DONE = "upgrades/lists"
TRY_EVERY_S = 60
READERS = 4
AT_ONCE = 500
log = structlog.get_logger()


class Backfill:
    """Lists all of storage, the one time that the lists are made; a note there says that it is done."""

    def __init__(self, store: JobStore, guarded: Callable[[str, Callable[[], object]], None]) -> None:
        """`guarded` runs what concerns one job and contains what is wrong with it."""
        self._store = store
        self._guarded = guarded
        self._pace = Pace(TRY_EVERY_S)
        self._is_done = False
        self._thread: Thread | None = None

    def go_on(self) -> None:
        """Begin it on a thread of its own, unless it was done."""
        if self._is_done or (self._thread and self._thread.is_alive()) or not self._pace.due():
            return
        self._is_done = self._store.storage.head(DONE) is not None
        if not self._is_done:
            self._thread = Thread(target=self._run, name="backfill", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        try:
            with ThreadPoolExecutor(READERS) as pool:
                job_ids = self._job_ids()
                while some := list(islice(job_ids, AT_ONCE)):
                    list(pool.map(lambda job_id: self._guarded(job_id, partial(self._enter, job_id)), some))
            self._store.storage.put(DONE, b"")
        except (StorageUnavailableError, RedisError) as error:  # it is done again
            log.warning("lists.backfill.cut_off", error=str(error))

    def _job_ids(self) -> Iterator[str]:
        found = (info.key.split("/") for info in self._store.storage.scan("jobs/"))
        return (parts[1] for parts in found if parts[2:] == ["job.json"])

    def _enter(self, job_id: str) -> None:
        spec = self._store.spec(job_id)
        self._store.lists.enter(spec)
        if end := self._store.end(job_id):
            self._store.lists.note_end(spec, end)
