"""The live records of jobs, and the streams of their events."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import redis

from core.forecast.work import Work, work_of
from core.jobs.records import JobSpec, JobStatus, LiveRecord, PreviewRecord
from core.live import names
from core.live.scripts import Scripts

TOLD = 1000  # jobs of a line whose specs are here, too, so that whoever claims them need not ask storage
TOLD_S = 300  # and for so long
KEEP_S = 300  # how long an ended job's record and events stay; storage keeps the rest


class Records:
    """How far each job is; its record and its events change together."""

    def __init__(self, client: redis.Redis, scripts: Scripts, *, lease_ms: int) -> None:
        self._client = client
        self._scripts = scripts
        self._lease_ms = lease_ms

    def begin(self, spec: JobSpec, status: JobStatus, *, attempt: int = 0) -> None:
        """Begin a job's record unless there is one; a queued job gets into its line."""
        keys = [
            *_both(spec.id),
            names.OPEN_JOBS,
            names.DEADLINES,
            names.WAITING_JOBS,
            names.waiting_key(spec.tail_id),
            names.line_key(spec.kind, spec.model_hash),
            names.turns_key(spec.kind, spec.model_hash),
            names.LINES_IN_USE,
            names.LEASES,
            names.open_key(spec.owner),
            names.told_key(spec.id),
            *names.other_waiting_keys(spec),
        ]
        created, deadline = spec.created_at.timestamp(), int(spec.deadline_at.timestamp() * 1000)
        told = (status, spec.kind, spec.owner, attempt, created, deadline)
        line = names.in_use(spec.kind, spec.model_hash)
        more = (line, self._lease_ms, work_of(spec).told(), spec.model_dump_json(), TOLD, TOLD_S)
        self._scripts.run("begin", keys, spec.id, names.changed_channel(spec.id), *told, *more)

    def known(self, job_ids: list[str]) -> list[bool]:
        """Return for each job whether it has a record; one question if all of them have."""
        keys = [names.record_key(job_id) for job_id in job_ids]
        if not keys or self._client.exists(*keys) == len(keys):
            return [True] * len(keys)
        with self._client.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.exists(key)
            return [bool(found) for found in pipe.execute()]

    def is_there(self, job_id: str) -> bool:
        """Tell whether a job's record is there as it was begun: deletion takes it, and an end makes no whole one."""
        return bool(self._client.hexists(names.record_key(job_id), "kind"))

    def works(self, job_ids: list[str]) -> list[Work | None]:
        """Return how much each of these jobs asks for, as far as it is known here."""
        with self._client.pipeline(transaction=False) as pipe:
            for job_id in job_ids:
                pipe.hget(names.record_key(job_id), "work")
            return [Work.heard(told) for told in pipe.execute()]

    def read(self, spec: JobSpec) -> LiveRecord | None:
        """Return a job's record, or None when Redis knows nothing of the job."""
        return self.read_all([spec])[0]

    def read_all(self, specs: Sequence[JobSpec]) -> list[LiveRecord | None]:
        """Return the records of jobs: in one round trip, those that are queued in two."""
        raws = self._ask([("HGETALL", names.record_key(spec.id)) for spec in specs])
        records = [_record(raw) for raw in raws]
        queued = [n for n, record in enumerate(records) if record and record.status is JobStatus.QUEUED]
        lines = [names.line_key(raws[n]["line"], specs[n].model_hash) for n in queued]
        ahead = self._ask([("ZRANK", line, specs[n].id) for n, line in zip(queued, lines, strict=True)])
        for n, position in zip(queued, ahead, strict=True):
            records[n] = records[n].model_copy(update={"position": position or 0})  # type: ignore[union-attr] # queued
        return records

    def _ask(self, commands: Sequence[tuple[str, ...]]) -> list[Any]:
        """Return the answers to some commands in one round trip."""
        if len(commands) == 1:
            return [self._client.execute_command(*commands[0])]  # type: ignore[no-untyped-call] # redis-py
        with self._client.pipeline(transaction=False) as pipe:
            for command in commands:
                pipe.execute_command(*command)  # type: ignore[no-untyped-call] # redis-py
            return pipe.execute() if commands else []

    def progress(self, job_id: str, attempt: int, fields: dict[str, float]) -> None:
        """Write how far an attempt is; an older attempt's word is dropped."""
        fields = {name: value for name, value in fields.items() if math.isfinite(value)}  # NaN is no JSON
        pairs = [part for name, value in fields.items() for part in (name, str(value))]
        data = json.dumps(fields | {"attempt": attempt}, allow_nan=False)
        self._scripts.run("progress", _both(job_id), job_id, names.changed_channel(job_id), attempt, data, *pairs)

    def preview(self, job_id: str, attempt: int, preview: PreviewRecord) -> None:
        """Keep an attempt's newest preview, and tell it as an event; an older attempt's is dropped."""
        told = (names.changed_channel(job_id), attempt, preview.model_dump_json())
        self._scripts.run("preview", _both(job_id), job_id, *told)

    def end(self, spec: JobSpec, status: JobStatus, *, first: bool = False) -> None:
        """Mark a job as ended; takes it out of every line and tells the worker that may still run it.

        An end is counted once: when the record says that the job is open or, `first`, by who has written the end.
        """
        sets = [names.LEASES, names.OPEN_JOBS, names.DEADLINES, names.WAITING_JOBS, names.waiting_key(spec.tail_id)]
        keys = [*_both(spec.id), names.lease_key(spec.id), *sets, names.CLOSING]
        keys += [names.open_key(spec.owner), names.COUNTS]
        others = names.other_waiting_keys(spec)
        keys += [*names.line_keys(spec), *others]
        channels = (names.changed_channel(spec.id), names.CANCELED)
        told = (status, KEEP_S, len(others), names.ended_count(spec.kind, status), int(first))
        self._scripts.run("end", keys, spec.id, *channels, *told)


def _record(raw: dict[str, str]) -> LiveRecord | None:
    if "status" not in raw:
        return None
    numbers = {name: raw[name] for name in ("attempt", "step", "steps", "loss", "eta_s") if raw.get(name)}
    preview = PreviewRecord.model_validate_json(raw["preview"]) if raw.get("preview") else None
    return LiveRecord.model_validate({"status": raw["status"], "preview": preview, **numbers})


def _both(job_id: str) -> list[str]:
    return [names.record_key(job_id), names.events_key(job_id)]
