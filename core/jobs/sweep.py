"""Deletes what must not stay: of an ended job what its end does not name, of a refused request everything."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from core.errors import StorageUnavailableError
from core.jobs import keys
from core.jobs.records import JobEnd, JobSpec
from core.storage.base import Storage
from core.webhooks import keys as webhook_keys

log = structlog.get_logger()


def sweep(storage: Storage, job_id: str, end: JobEnd) -> None:
    """Delete all that lies under an ended job and that its end does not name; safe to repeat."""
    kept = {end.tail_key, end.grid_key, *end.result_keys, keys.end(job_id)}
    for info in list(storage.list(keys.job(job_id) if end.deleted else keys.outputs(job_id))):
        if info.key not in kept:
            storage.delete(info.key)
    if end.deleted:
        for info in list(storage.list(webhook_keys.due_of(job_id))):
            storage.delete(info.key)


def doubt(storage: Storage, job_id: str) -> None:
    """Note that a lost attempt may write under a job after its end: it is swept once more, later (`Doubts`)."""
    storage.put(keys.doubt(job_id), b"")


@contextmanager
def nothing_left(storage: Storage, spec: JobSpec, *, shared_id: bool) -> Iterator[None]:
    """Take back what the block has written of a job when it raises StorageUnavailableError, as far as storage can.

    Nothing is taken back of an id that another request may have as well: that one may just be accepted with it.
    """
    try:
        yield
    except StorageUnavailableError:
        if not shared_id:
            _take_back(storage, spec)
        raise


def _take_back(storage: Storage, spec: JobSpec) -> None:
    """Delete the marker first, lest the job be adopted: it may have been written although its answer was lost."""
    try:
        for key in filter(None, (keys.open_marker(spec.id, spec.created_at), spec.input_key, keys.spec(spec.id))):
            storage.delete(key)
    except StorageUnavailableError as error:
        log.warning("job.refused.left_behind", job=spec.id, error=error.detail)
