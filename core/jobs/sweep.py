"""Deletes what no end names: checkpoints, outputs of other attempts, and of a deleted job everything."""

from __future__ import annotations

from core.jobs import keys
from core.jobs.records import JobEnd
from core.storage.base import Storage


def sweep(storage: Storage, job_id: str, end: JobEnd) -> None:
    """Delete all that lies under an ended job and that its end does not name; safe to repeat."""
    kept = {end.tail_key, *end.result_keys, keys.end(job_id)}
    for info in list(storage.list(keys.job(job_id) if end.deleted else keys.outputs(job_id))):
        if info.key not in kept:
            storage.delete(info.key)
