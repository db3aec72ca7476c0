"""Very many queued jobs at once: what their acceptance writes, without the waits of each single one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path

from core.jobs import keys
from core.jobs.lists.entries import accepted_keys
from core.jobs.nudges import ENOUGH
from core.jobs.records import JobSpec, JobStatus
from core.jobs.store import JobStore
from core.live.records import Records
from core.live.scripts import Scripts
from core.storage import Storage

AT_ONCE = 500
WRITERS = 32
LEASE_MS = 15_000  # of no job here: none runs


def fill(jobs: JobStore, specs: Iterable[JobSpec], picture: bytes, folder: Path | None) -> None:
    """Bring jobs to where acceptance and announcement bring them, one by one, when no worker has a free slot.

    In a `folder` nothing is synced; other storage is written to by many at a time. Redis hears of hundreds at once.
    """
    nudges = 0
    for some in _chunks(specs):
        _write(jobs.storage, folder, [_objects(spec, picture) for spec in some])
        with jobs.live.client.pipeline(transaction=False) as pipe:
            records = Records(pipe, Scripts(pipe), lease_ms=LEASE_MS)
            for spec in some:
                records.begin(spec, JobStatus.QUEUED)
            pipe.execute()
        for spec in some[: ENOUGH - nudges]:
            jobs.nudges.send(spec.kind, spec.id)
            nudges += 1


def _chunks(specs: Iterable[JobSpec]) -> Iterator[list[JobSpec]]:
    rest = iter(specs)
    while some := list(islice(rest, AT_ONCE)):
        yield some


def _objects(spec: JobSpec, picture: bytes) -> dict[str, bytes]:
    """Return what `JobStore.accept` writes, by key, in its order."""
    empty = dict.fromkeys((keys.open_marker(spec.id, spec.created_at), *accepted_keys(spec)), b"")
    pictures = dict.fromkeys(spec.input_keys, picture)
    return empty | pictures | {keys.spec(spec.id): spec.model_dump_json().encode()}


def _put(storage: Storage, objects: Mapping[str, bytes]) -> None:
    for key, data in objects.items():
        storage.put(key, data)


def _write(storage: Storage, folder: Path | None, jobs: Sequence[Mapping[str, bytes]]) -> None:
    if folder is None:
        with ThreadPoolExecutor(WRITERS) as pool:
            list(pool.map(partial(_put, storage), jobs))
        return
    for objects in jobs:
        for key, data in objects.items():
            path = folder / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
