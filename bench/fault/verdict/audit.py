"""Looks at every job and all of storage after a run: what was lost, doubled, leaked, or failed without its fault."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from bench.fault.client.http import Apis
from bench.fault.client.ledger import Entry, Ledger
from bench.fault.client.proof import prove
from bench.fault.stack.servers import FolderStore, S3Store
from bench.fault.verdict.attempts import end_of
from core.jobs import keys
from core.jobs.ids import is_job_id
from core.jobs.records import JobEnd
from core.storage import Storage

SETTLE_S = 45.0  # the reconciler looks at storage every ten seconds
KILLERS_END = "attempts-exhausted"


@dataclass
class Findings:
    """What is wrong, by job; a leak without a job stands under its key."""

    lost: dict[str, str] = field(default_factory=dict)
    doubled: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    leaked: dict[str, list[str]] = field(default_factory=dict)

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.lost or self.doubled or self.failed or self.leaked)


def audit(
    ledger: Ledger, apis: Apis, storage: Storage, store: FolderStore | S3Store, settle_s: float = SETTLE_S
) -> Findings:
    """Return all findings, once nothing runs any more; what is still being swept is given `settle_s`."""
    found = Findings()
    for entry in ledger.all():
        _check(entry, apis, storage, found)
    end = time.monotonic() + settle_s
    while (leaks := list(_leaks(storage, store))) and time.monotonic() < end:
        time.sleep(1)
    for job_id, key in leaks:
        found.leaked.setdefault(job_id, []).append(key)
    return found


def _check(entry: Entry, apis: Apis, storage: Storage, found: Findings) -> None:
    if len(entry.ids) > 1:
        found.doubled[entry.id] = f"one key made {sorted(entry.ids)}"
    if entry.accepted_at is None:
        found.failed[entry.key] = f"not accepted: {entry.troubles}"
        return
    end = end_of(storage, entry.id)
    if end is None or entry.ended is None:
        found.lost[entry.id] = "it has no end" if end is None else "its client never saw its end"
        return
    if not end.deleted:
        _compare(entry, apis, end, found)
    if reason := _wrong_end(entry, end):
        found.failed[entry.id] = reason
    elif entry.troubles:
        found.failed[entry.id] = "; ".join(entry.troubles)


def _compare(entry: Entry, apis: Apis, end: JobEnd, found: Findings) -> None:
    """Ask for the job again: a second end or other results are a job that ended twice."""
    answer = apis.ask("GET", f"/jobs/{entry.id}")
    if not answer.is_success:
        found.lost[entry.id] = f"GET says {answer.status_code}"
        return
    job: dict[str, Any] = answer.json()
    told = ("status", "ended_at", "receipt")
    first = entry.ended or {}
    if job["status"] != end.status or any(job[name] != first.get(name) for name in told):
        found.doubled[entry.id] = f"it was {first.get('status')} and is {job['status']}"
    elif entry.digests and not entry.troubles and prove(apis, entry, job) != entry.digests:
        found.doubled[entry.id] = "its results are others now"


def _wrong_end(entry: Entry, end: JobEnd) -> str:
    problem = f"{end.error.type}: {end.error.detail}" if end.error else ""
    if entry.role == "killer":
        is_right = end.error is not None and end.error.type == KILLERS_END
        return "" if is_right else f"the killer is {end.status} {problem}"
    if end.status == "failed" or (end.status == "canceled" and not entry.asked_to_end):
        return f"{end.status} {problem}"
    return ""


def _leaks(storage: Storage, store: FolderStore | S3Store) -> Iterator[tuple[str, str]]:
    """Yield the job and key of everything that no job needs."""
    for info in storage.list(keys.OPEN_MARKERS):
        job_id = keys.marked_job(info.key)
        if end_of(storage, job_id) or storage.head(keys.spec(job_id)) is None:
            yield job_id, info.key
    by_job: dict[str, list[str]] = {}
    for info in storage.list("jobs/"):
        by_job.setdefault(info.key.split("/")[1], []).append(info.key)
    for job_id, names in by_job.items():
        yield from ((job_id, name) for name in _unneeded(job_id, names, storage))
    if isinstance(store, FolderStore):
        yield from ((path.name, f".tmp/{path.name}") for path in (store.folder / ".tmp").iterdir())


def _unneeded(job_id: str, names: list[str], storage: Storage) -> list[str]:
    end = end_of(storage, job_id) if is_job_id(job_id) else None
    if end is None:
        return [] if keys.spec(job_id) in names else names
    if end.deleted:
        return [name for name in names if name != keys.end(job_id)]
    kept = {end.tail_key, end.grid_key, *end.result_keys}
    return [name for name in names if name.startswith(keys.outputs(job_id)) and name not in kept]
