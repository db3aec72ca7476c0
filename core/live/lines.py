"""The lines of queued jobs: one a kind, and one of suspects."""

from __future__ import annotations

from typing import cast

import redis

from core.live import names
from core.live.scripts import Scripts

PEEKED = 8  # jobs at the head of a line that a claim tries: others may be taking the first ones right now


class Lines:
    """Who comes next: the oldest job of each owner, the owners in turn."""

    def __init__(self, client: redis.Redis, scripts: Scripts, *, lease_ms: int) -> None:
        self._client = client
        self._scripts = scripts
        self._lease_ms = lease_ms

    def claim(self, line: str, token: str) -> str | None:
        """Take the next job of a line and its lease at once; None when the line is empty."""
        while head := cast("list[str]", self._client.zrange(names.line_key(line), 0, PEEKED - 1)):
            for job_id in head:
                if self._claim(line, job_id, token):
                    return job_id
        return None

    def _claim(self, line: str, job_id: str, token: str) -> bool:
        job = [names.record_key(job_id), names.lease_key(job_id)]
        keys = [names.line_key(line), names.turns_key(line), *job]
        return bool(self._scripts.run("claim", keys, job_id, token, self._lease_ms))

    def enqueue(self, job_id: str, line: str, *, token: str = "") -> bool:
        """Put a job into a line as queued, unless another attempt holds its lease or it has ended."""
        job = [names.record_key(job_id), names.events_key(job_id), names.lease_key(job_id), names.WAITING_JOBS]
        keys = [*job, names.line_key(line), names.turns_key(line), *names.line_keys(but=line)]
        return bool(self._scripts.run("enqueue", keys, job_id, names.CHANGED, line, token))

    def rejoin(self, job_id: str, line: str) -> None:
        """Put a queued job that nobody holds back into its line, if it is not there."""
        keys = [names.record_key(job_id), names.lease_key(job_id), names.line_key(line), names.turns_key(line)]
        self._scripts.run("rejoin", keys, job_id, line)

    def length(self, line: str) -> int:
        """Return how many jobs stand in a line."""
        return int(self._client.zcard(names.line_key(line)))
