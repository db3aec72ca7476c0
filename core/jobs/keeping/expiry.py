"""Deletes what is not to be kept any longer: the keys of storage are in the order in which it is due."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

import structlog

from core.errors import NotFoundError
from core.jobs.ids import is_job_id
from core.jobs.keeping.needs import NEEDED_S, Needs
from core.jobs.keeping.terms import expires_at
from core.jobs.records import JobEnd, JobSpec
from core.pace import Pace

if TYPE_CHECKING:
    from core.jobs.store import JobStore

EXPIRING = "expiring/"
EVERY_S = 10
MOST_AT_ONCE = 100  # in one pass of the reconciler, which has more to do
MOST_S = 1.0  # and for so long: it must go on leading
log = structlog.get_logger()


def expiring_key(spec: JobSpec, end: JobEnd) -> str | None:
    """Return the key that says when an ended job is due: `expiring/{hour}/{milliseconds}-{job}`."""
    due = expires_at(spec, end)
    return _key(spec.id, due) if due else None


class Expiry:
    """Deletes ended jobs whose time is over; costs what is due, whatever is stored and will be due."""

    def __init__(self, store: JobStore, guarded: Callable[[str, Callable[[], object]], None]) -> None:
        """`guarded` runs what concerns one job and contains what is wrong with it."""
        self._store = store
        self._guarded = guarded
        self._needs = Needs(store)
        self._pace = Pace(EVERY_S)

    def go_on(self) -> None:
        """Delete some of what is due by the fleet's time."""
        if not self._pace.due():
            return
        now = self._store.clock.now()
        some = [info.key for info in islice(self._store.storage.scan(EXPIRING), MOST_AT_ONCE)]
        due = [key for key in some if (at := _time_of(key)) is None or at <= now]
        until = time.monotonic() + MOST_S
        for key in due:
            self._guarded(key.rpartition("-")[2], partial(self._expire, key))
            if time.monotonic() > until:
                break
        if len(due) == MOST_AT_ONCE or time.monotonic() > until:
            self._pace.hurry()

    def _expire(self, key: str) -> None:
        job_id = key.rpartition("-")[2]
        if is_job_id(job_id):
            if self._needs.is_needed(job_id):
                put_off = self._store.clock.now() + timedelta(seconds=NEEDED_S)
                self._store.storage.put(_key(job_id, put_off), b"")
                self._store.storage.delete(key)
                return
            try:
                deleted = self._store.deletion.job(job_id, expired=True)
            except NotFoundError:
                log.warning("job.expired.unknown", job=job_id)
            else:
                if deleted.expired:  # else somebody had deleted it before, and that was only ended here
                    log.info("job.expired", job=job_id, objects=deleted.objects, bytes=deleted.bytes)
        self._store.storage.delete(key)


def _key(job_id: str, due: datetime) -> str:
    return f"{EXPIRING}{due:%Y%m%dT%H}/{int(due.timestamp() * 1000):015}-{job_id}"


def _time_of(key: str) -> datetime | None:
    """Return when a key is due, or None for one that nobody here has written."""
    text = key.rpartition("/")[2].partition("-")[0]
    return datetime.fromtimestamp(int(text) / 1000, UTC) if text.isdecimal() else None
