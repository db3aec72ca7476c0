"""A job's life without HTTP and without models: real Redis, real folder storage."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from core.clock import FleetClock, utc_now
from core.jobs import keys
from core.jobs.attempts import Attempt
from core.jobs.claims import Claims
from core.jobs.ids import new_job_id, tail_of
from core.jobs.nudges import Nudges, make_celery
from core.jobs.reconciler import Reconciler
from core.jobs.records import JobEnd, JobSpec, JobStatus
from core.jobs.store import JobStore
from core.live.connection import connect
from core.live.names import lease_key
from core.live.store import LiveStore
from core.models.parameters import EditParams, PersonalizeParams
from core.storage import open_storage
from core.storage.base import Storage

MODEL_HASH = "c0ffee"
LEASE_S = 0.3  # short, so that a test may wait for its end
LONG_LEASE_S = 60  # for tests in which no lease is to run out however slow the machine is


class Life:
    """The stores as one process has them; `process` gives another process's view of the same storage and Redis."""

    def __init__(self, folder: Path, redis_url: str, *, lease_s: float = LEASE_S) -> None:
        self.folder, self.redis_url, self.lease_s = folder, redis_url, lease_s
        self.storage: Storage = open_storage(str(folder), secret=b"test")
        self.live = LiveStore(connect(redis_url), lease_s=lease_s)
        self.nudges = Nudges(make_celery(redis_url), self.live.client)
        self.clock = FleetClock(self.live.time_s)
        self.store = JobStore(self.storage, self.live, self.nudges, self.clock)
        self.reconciler = Reconciler(self.store, every_s=0.05, lease_s=lease_s, renew_s=lease_s / 3)

    def with_storage(self, storage: Storage) -> Life:
        """Return another process's view, through a storage that misbehaves."""
        life = self.process()
        life.storage = life.store.storage = storage
        return life

    def process(self) -> Life:
        return Life(self.folder, self.redis_url, lease_s=self.lease_s)

    def claims(self, worker_id: str = "w1", can: Callable[[JobSpec], bool] = lambda _: True) -> Claims:
        return Claims(self.store, worker_id, lambda: {MODEL_HASH}, can=can)

    def accept(self, spec: JobSpec, *, announce: bool = True) -> JobSpec:
        self.store.accept(spec)
        if announce:
            self.store.announce(spec)
        return spec

    def personalization(self, **changes: Any) -> JobSpec:
        job_id = changes.pop("id", new_job_id())
        return JobSpec(**(_common(job_id) | {"kind": "personalize", "personalize": PersonalizeParams()} | changes))

    def edit(self, of: JobSpec, **changes: Any) -> JobSpec:
        fields = {"kind": "edit", "edit": EditParams(), "tail_id": of.tail_id}
        return JobSpec(**(_common(changes.pop("id", new_job_id())) | fields | changes))

    def success(self, attempt: Attempt) -> JobEnd:
        """Write a result as a worker does, and return the end that names it."""
        key = attempt.key("tail.safetensors")
        self.storage.put(key, b"tail")
        return JobEnd(
            job_id=attempt.spec.id,
            status=JobStatus.SUCCEEDED,
            ended_at=utc_now(),
            attempt=attempt.number,
            tail_key=key,
        )

    def status(self, spec: JobSpec) -> JobStatus:
        return self.store.state(spec.id).status

    def lose_lease(self, spec: JobSpec) -> None:
        """Do at once what time does to a dead worker's lease."""
        self.live.client.delete(lease_key(spec.id))

    def open_jobs(self) -> set[str]:
        return {keys.marked_job(info.key) for info in self.storage.list(keys.OPEN_MARKERS)}


def _common(job_id: str) -> dict[str, Any]:
    now = utc_now()
    return {
        "id": job_id,
        "created_at": now,
        "deadline_at": now + timedelta(hours=1),
        "model": "critters",
        "model_hash": MODEL_HASH,
        "prompt": "a standing dog",
        "seed": 1,
        "tail_id": tail_of(job_id),
    }
