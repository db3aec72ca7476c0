"""The live records of jobs, and the streams of their events."""

from __future__ import annotations

import json
from typing import cast

import redis

from core.jobs.records import JobSpec, JobStatus, LiveRecord
from core.live import names
from core.live.scripts import Scripts

KEEP_S = 86_400  # how long an ended job's record and events stay; storage keeps the rest


class Records:
    """How far each job is; its record and its events change together."""

    def __init__(self, client: redis.Redis, scripts: Scripts) -> None:
        self._client = client
        self._scripts = scripts

    def begin(self, spec: JobSpec, status: JobStatus, *, attempt: int = 0) -> None:
        """Begin a job's record unless there is one; a queued job gets into its line."""
        sets = [names.OPEN_JOBS, names.WAITING_JOBS, names.line_key(spec.kind), names.turns_key(spec.kind)]
        created = spec.created_at.timestamp()
        told = (spec.id, names.CHANGED, status, spec.kind, spec.owner, attempt, created, spec.tail_id)
        self._scripts.run("begin", [*_both(spec.id), *sets], *told)

    def read(self, job_id: str) -> LiveRecord | None:
        """Return a job's record, or None when Redis knows nothing of the job."""
        raw = cast("dict[str, str]", self._client.hgetall(names.record_key(job_id)))
        if "status" not in raw:
            return None
        numbers = {name: raw[name] for name in ("attempt", "step", "steps", "loss", "eta_s") if raw.get(name)}
        record = LiveRecord.model_validate({"status": raw["status"], **numbers})
        if record.status is not JobStatus.QUEUED:
            return record
        ahead = self._client.zrank(names.line_key(raw["line"]), job_id)
        return record.model_copy(update={"position": ahead or 0})

    def progress(self, job_id: str, attempt: int, fields: dict[str, float]) -> None:
        """Write how far an attempt is; an older attempt's word is dropped."""
        pairs = [part for name, value in fields.items() for part in (name, str(value))]
        data = json.dumps(fields | {"attempt": attempt})
        self._scripts.run("progress", _both(job_id), job_id, names.CHANGED, attempt, data, *pairs)

    def end(self, job_id: str, status: JobStatus) -> None:
        """Mark a job as ended; takes it out of every line and tells the worker that may still run it."""
        keys = [*_both(job_id), names.lease_key(job_id), names.OPEN_JOBS, names.WAITING_JOBS, *names.line_keys()]
        self._scripts.run("end", keys, job_id, names.CHANGED, names.CANCELED, status, KEEP_S)


def _both(job_id: str) -> list[str]:
    return [names.record_key(job_id), names.events_key(job_id)]
