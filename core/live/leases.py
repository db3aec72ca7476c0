"""Leases: the right to run a job now, by Redis' clock."""

from __future__ import annotations

from core.live import names
from core.live.scripts import Scripts


class Leases:
    """Who may run a job. A lease that is not renewed runs out, and others may have the job."""

    def __init__(self, scripts: Scripts, *, lease_ms: int) -> None:
        self._scripts = scripts
        self._lease_ms = lease_ms

    def start(self, job_id: str, attempt: int, token: str) -> bool:
        """Mark a job as running in this attempt and begin a fresh lease; False when the lease was lost meanwhile."""
        return bool(self._scripts.run("start", _job(job_id), job_id, names.CHANGED, attempt, token, self._lease_ms))

    def renew(self, job_id: str, attempt: int, token: str) -> bool:
        """Renew a lease, or take it again when it ran out and no newer attempt has begun; False when it is lost.

        A job that was queued again meanwhile, because its lease ran out or because Redis lost its last second, leaves
        its line: its worker is evidently alive. One that this very attempt gave back stays there.
        """
        keys = [*_job(job_id), *names.line_keys()]
        return bool(self._scripts.run("renew", keys, job_id, names.CHANGED, attempt, token, self._lease_ms))

    def release(self, job_id: str, token: str) -> None:
        """Give up a lease, if it is still this token's."""
        self._scripts.run("release", [names.lease_key(job_id)], token)

    def reap(self, job_id: str) -> bool:
        """Queue a running job whose lease has run out as a suspect; True for the one caller that did."""
        line = [names.line_key(names.SUSPECTS), names.turns_key(names.SUSPECTS)]
        return bool(self._scripts.run("reap", [*_job(job_id), *line], job_id, names.CHANGED, names.SUSPECTS))


def _job(job_id: str) -> list[str]:
    return [names.record_key(job_id), names.events_key(job_id), names.lease_key(job_id)]
