"""Deletes what must not stay: of an ended job what its end does not name, of a refused request everything."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import structlog

from core.errors import StorageUnavailableError
from core.jobs import keys
from core.jobs.lists.entries import accepted_keys
from core.jobs.records import JobEnd, JobSpec
from core.storage.base import ObjectInfo, Storage
from core.webhooks import keys as webhook_keys

log = structlog.get_logger()


def sweep(storage: Storage, job_id: str, end: JobEnd) -> list[ObjectInfo]:
    """Delete all that lies under an ended job and that its end does not name; safe to repeat. Returns what went.

    Of a deleted job the spec goes last: as long as it is there, its entries in lists can be found.
    """
    going = sorted(not_to_stay(storage, job_id, end), key=lambda info: info.key == keys.spec(job_id))
    for info in going:
        storage.delete(info.key)
    return going


def not_to_stay(storage: Storage, job_id: str, end: JobEnd) -> list[ObjectInfo]:
    """Return what lies under a job, or of its webhooks, and goes when this is its end."""
    kept = {end.tail_key, end.grid_key, *end.result_keys, keys.end(job_id)}
    found = list(storage.list(keys.job(job_id) if end.deleted else keys.outputs(job_id)))
    if end.deleted:
        found += storage.list(webhook_keys.due_of(job_id))
    return [info for info in found if info.key not in kept]


def doubt(storage: Storage, job_id: str, places: Iterable[str] = ()) -> None:
    """Note that somebody may write under a job, or at its `places` in lists, after its end: `Doubts` looks later."""
    storage.put(keys.doubt(job_id), "\n".join(places).encode())


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
        written = (keys.open_marker(spec.id, spec.created_at), *spec.input_keys, keys.spec(spec.id))
        for key in (*written, *accepted_keys(spec)):
            storage.delete(key)
    except StorageUnavailableError as error:
        log.warning("job.refused.left_behind", job=spec.id, error=error.detail)
