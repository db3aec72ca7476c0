"""Leases: the right to run a job now, by Redis' clock."""

from __future__ import annotations

from typing import cast

import redis

from core.jobs.records import JobSpec
from core.live import names
from core.live.scripts import Scripts


class Leases:
    """Who may run a job. A lease that is not renewed runs out, and others may have the job."""

    def __init__(self, client: redis.Redis, scripts: Scripts, *, lease_ms: int) -> None:
        self._client = client
        self._scripts = scripts
        self._lease_ms = lease_ms

    def start(self, spec: JobSpec, attempt: int, token: str) -> bool:
        """Mark a job as running in this attempt and begin a fresh lease; False when the lease was lost meanwhile."""
        told = (names.changed_channel(spec.id), attempt, token, self._lease_ms)
        return bool(self._scripts.run("start", _job(spec.id), spec.id, *told))

    def renew(self, spec: JobSpec, attempt: int, token: str) -> bool:
        """Renew a lease, or take it again when it ran out and no newer attempt has begun; False when it is lost.

        A job that was queued again meanwhile, because its lease ran out or because Redis lost its last second, leaves
        its line: its worker is evidently alive. One that this very attempt gave back stays there.
        """
        told = (names.changed_channel(spec.id), attempt, token, self._lease_ms)
        return bool(self._scripts.run("renew", [*_job(spec.id), *names.line_keys(spec)], spec.id, *told))

    def release(self, job_id: str, token: str) -> None:
        """Give up a lease, if it is still this token's."""
        self._scripts.run("release", [names.lease_key(job_id), names.LEASES], job_id, token)

    def due(self, now_ms: int, count: int) -> list[str]:
        """Return jobs whose lease has run out, those first that have waited longest."""
        return cast("list[str]", self._client.zrangebyscore(names.LEASES, "-inf", now_ms, start=0, num=count))

    def reap(self, spec: JobSpec, line: str, *, token: str = "") -> bool:
        """Queue a job whose lease has run out, or is a dead process' (`token`); True for the one caller that did.

        If it ran it goes to `line`; if it was only taken from its line, it goes back there.
        """
        keys, told = [*_job(spec.id), names.LINES_IN_USE, names.COUNTS], [names.changed_channel(spec.id), token, line]
        for way in names.lines_of(spec):
            keys += [names.line_key(way, spec.model_hash), names.turns_key(way, spec.model_hash)]
            told += [way, names.in_use(way, spec.model_hash)]
        return bool(self._scripts.run("reap", keys, spec.id, *told))


def _job(job_id: str) -> list[str]:
    return [names.record_key(job_id), names.events_key(job_id), names.lease_key(job_id), names.LEASES]
