"""The jobs that have not ended, as the reconciler surveys them, and the epoch since Redis was filled from storage."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import cast

import redis

from core.jobs.records import JobStatus
from core.live import names


@dataclass(frozen=True)
class OpenJob:
    """What Redis knows of one open job; the status is None when its record is gone."""

    id: str
    status: JobStatus | None
    line: str
    tail_id: str
    leased: bool

    def waits_for(self, tail_id: str) -> bool:
        """Whether it is an edit that waits for this tail."""
        return self.status is JobStatus.WAITING and self.tail_id == tail_id


class OpenJobs:
    """All jobs that have not ended."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def survey(self) -> list[OpenJob]:
        """Return what Redis knows of every open job."""
        ids = cast("list[str]", self._client.zrange(names.OPEN_JOBS, 0, -1))
        with self._client.pipeline(transaction=False) as pipe:
            for job_id in ids:
                pipe.hmget(names.record_key(job_id), ["status", "line", "tail_id"])
                pipe.exists(names.lease_key(job_id))
            rows = pipe.execute()
        return [_open_job(*row) for row in zip(ids, rows[::2], rows[1::2], strict=True)]

    def waiting(self) -> int:
        """Return how many edits wait for their tails."""
        return int(self._client.scard(names.WAITING_JOBS))

    def forget(self, job_id: str) -> None:
        """Remove all that is known of a job; beginning it again begins from nothing."""
        with self._client.pipeline() as pipe:
            pipe.delete(names.record_key(job_id), names.events_key(job_id), names.lease_key(job_id))
            pipe.zrem(names.OPEN_JOBS, job_id)
            pipe.srem(names.WAITING_JOBS, job_id)
            for line in names.line_keys():
                pipe.zrem(line, job_id)
            pipe.execute()

    def begin_epoch(self) -> bool:
        """Return True once after Redis has lost its memory: the caller must fill it from storage."""
        return bool(self._client.set(names.EPOCH, str(time.time()), nx=True))

    def end_epoch(self) -> None:
        """Take the epoch back, so that a rebuild that failed is done again."""
        self._client.delete(names.EPOCH)


def _open_job(job_id: str, record: list[str | None], leased: int) -> OpenJob:
    status, line, tail_id = record
    return OpenJob(job_id, JobStatus(status) if status else None, line or "", tail_id or "", bool(leased))
