"""What Redis remembers: records, events, lines of ready jobs, leases, workers."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any, cast

import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.retry import Retry

from core import scripts
from core.jobs.records import JobSpec, JobStatus, LiveRecord

CHANGED = "tailor:changed"  # the channel on which the id of every changed job is published
CANCELED = "tailor:canceled"  # the channel on which the id of every ended-from-outside job is published
SUSPECT = "suspect"  # the line of jobs that were there when a worker crashed: they run alone
OPEN = "tailor:open"
WAITING = "tailor:waiting"
EPOCH = "tailor:epoch"
KEEP_S = 86_400  # how long an ended job's record and events stay; storage keeps the rest


def events_key(job_id: str) -> str:
    """Return the Redis Stream of a job's events: fields `type` (status or progress) and `data` (JSON)."""
    return f"tailor:events:{job_id}"


def record_key(job_id: str) -> str:
    """Return the hash of a job's live record."""
    return f"tailor:job:{job_id}"


def lease_key(job_id: str) -> str:
    """Return the key whose value is the token of the attempt that may run now."""
    return f"tailor:lease:{job_id}"


def connect(url: str) -> redis.Redis:
    """Return a lazy client whose calls fail within about a second when Redis is away."""
    bounds = {"socket_connect_timeout": 1.0, "socket_timeout": 1.0, "retry": Retry(NoBackoff(), 0)}
    return redis.Redis.from_url(url, decode_responses=True, health_check_interval=10, **bounds)


def connect_async(url: str) -> redis.asyncio.Redis:
    """Return the asyncio client for the API's one reader."""
    return redis.asyncio.Redis.from_url(url, decode_responses=True, health_check_interval=10, socket_connect_timeout=1)


@dataclass(frozen=True)
class OpenJob:
    """What Redis knows of one open job; the status is None when its record is gone."""

    id: str
    status: JobStatus | None
    tail_id: str
    leased: bool

    def waits_for(self, tail_id: str) -> bool:
        """Whether it is an edit that waits for this tail."""
        return self.status is JobStatus.WAITING and self.tail_id == tail_id


class LiveStore:
    """What Redis remembers of unfinished jobs: records, events, lines of ready jobs, leases, workers.

    Nothing here is authoritative: it is rebuilt from storage when it is lost. Methods raise `redis.RedisError`.
    """

    def __init__(self, client: redis.Redis, *, lease_s: float = 15) -> None:
        self.client = client
        self.lease_ms = int(lease_s * 1000)
        self._scripts = {name: client.register_script(text) for name, text in scripts.ALL.items()}

    def _run(self, name: str, keys: list[str], *args: str | float) -> Any:
        return self._scripts[name](keys=keys, args=list(args))

    # Records and events

    def open(self, spec: JobSpec, status: JobStatus, *, attempt: int = 0) -> None:
        """Begin a job's record unless there is one; a queued job gets into its line."""
        created = spec.created_at.timestamp()
        keys = [record_key(spec.id), events_key(spec.id)]
        self._run("open", keys, spec.id, status, spec.kind, spec.owner, attempt, created, spec.tail_id)

    def read(self, job_id: str) -> LiveRecord | None:
        """Return the live record, or None when Redis knows nothing of the job."""
        raw = cast("dict[str, str]", self.client.hgetall(record_key(job_id)))
        if "status" not in raw:
            return None
        numbers = {name: raw[name] for name in ("attempt", "step", "steps", "loss", "eta_s") if raw.get(name)}
        live = LiveRecord.model_validate({"status": raw["status"], **numbers})
        if live.status is not JobStatus.QUEUED:
            return live
        return live.model_copy(update={"position": self._run("position", [], job_id, raw["line"], raw["owner"])})

    def progress(self, job_id: str, attempt: int, fields: dict[str, float]) -> None:
        """Write how far an attempt is; an older attempt's word is dropped."""
        self._change(job_id, attempt, "progress", fields)

    def started(self, job_id: str, attempt: int, token: str) -> bool:
        """Mark a job as running in this attempt and begin a fresh lease; False when the lease was lost meanwhile."""
        keys = [record_key(job_id), events_key(job_id), lease_key(job_id)]
        return bool(self._run("started", keys, job_id, attempt, token, self.lease_ms))

    def ended(self, job_id: str, status: JobStatus) -> None:
        """Mark a job as ended; takes it out of every line and tells the worker that may still run it."""
        self._run("ended", [record_key(job_id), events_key(job_id)], job_id, status, KEEP_S)

    def _change(self, job_id: str, attempt: int, event: str, fields: dict[str, Any]) -> None:
        pairs = [part for name, value in fields.items() for part in (name, str(value))]
        data = json.dumps(fields | {"attempt": attempt})
        self._run("change", [record_key(job_id), events_key(job_id)], job_id, attempt, event, data, *pairs)

    # Lines of ready jobs and leases

    def claim_next(self, line: str, token: str) -> str | None:
        """Take the next job of a line, round-robin over owners, and its lease at once; None when the line is empty."""
        return cast("str | None", self._run("claim", [], line, token, self.lease_ms))

    def enqueue(self, job_id: str, line: str, *, token: str = "") -> bool:
        """Put a job into a line as queued, unless another attempt holds its lease or it has ended."""
        return bool(
            self._run("enqueue", [record_key(job_id), events_key(job_id), lease_key(job_id)], job_id, line, token)
        )

    def rejoin(self, job_id: str) -> None:
        """Put a queued job that nobody holds back into its line, if it is not there."""
        self._run("rejoin", [record_key(job_id), lease_key(job_id)], job_id)

    def renew(self, job_id: str, attempt: int, token: str) -> bool:
        """Renew a lease, or take it again when it ran out and no newer attempt has begun; False when it is lost.

        A job that was queued again meanwhile, because its lease ran out or because Redis lost its last second, leaves
        its line: its worker is evidently alive. One that this very attempt handed back stays there.
        """
        keys = [record_key(job_id), events_key(job_id), lease_key(job_id)]
        return bool(self._run("renew", keys, job_id, token, attempt, self.lease_ms))

    def release(self, job_id: str, token: str) -> None:
        """Give up a lease, if it is still ours."""
        self._run("release", [lease_key(job_id)], token)

    def reap(self, job_id: str) -> bool:
        """Queue a running job whose lease has run out, to run alone; True for the one caller that did."""
        return bool(self._run("reap", [record_key(job_id), events_key(job_id), lease_key(job_id)], job_id, SUSPECT))

    def ready(self, line: str) -> int:
        """Return how many jobs stand in a line."""
        return int(self._run("ready", [], line))

    # What the reconciler looks at

    def survey(self) -> list[OpenJob]:
        """Return what Redis knows of every open job."""
        ids = cast("list[str]", self.client.zrange(OPEN, 0, -1))
        with self.client.pipeline(transaction=False) as pipe:
            for job_id in ids:
                pipe.hmget(record_key(job_id), ["status", "tail_id"])
                pipe.exists(lease_key(job_id))
            rows = pipe.execute()
        records = zip(ids, rows[::2], rows[1::2], strict=True)
        return [OpenJob(i, JobStatus(r[0]) if r[0] else None, r[1] or "", bool(held)) for i, r, held in records]

    def waiting(self) -> int:
        """Return how many edits wait for their tails."""
        return int(self.client.scard(WAITING))

    def forget(self, job_id: str) -> None:
        """Remove all that is known of a job; opening it again begins from nothing."""
        self.client.delete(record_key(job_id), lease_key(job_id))
        self.client.zrem(OPEN, job_id)
        self.client.srem(WAITING, job_id)

    def elect(self, worker_id: str, ttl_s: int) -> bool:
        """Tell whether this worker is the one that drains itself for the jobs that must run alone."""
        key = "tailor:draining"
        if self.client.set(key, worker_id, nx=True, ex=ttl_s) or self.client.get(key) == worker_id:
            self.client.expire(key, ttl_s)
            return True
        return False

    def eviction_policy(self) -> str:
        """Return what this Redis does when its memory is full; anything but `noeviction` forgets jobs and leases."""
        return str(self.client.info("memory").get("maxmemory_policy", "unknown"))

    def begin_epoch(self) -> bool:
        """Return True once after Redis has lost its memory: the caller must rebuild it."""
        return bool(self.client.set(EPOCH, str(time.time()), nx=True))

    def end_epoch(self) -> None:
        """Take the epoch back, so that a rebuild that failed is done again."""
        self.client.delete(EPOCH)

    # Workers

    def beat(self, worker_id: str, state: dict[str, Any], ttl_s: int) -> None:
        """Say that a worker lives, and what it does."""
        self.client.set(f"tailor:worker:{worker_id}", json.dumps(state | {"id": worker_id}), ex=ttl_s)

    def workers(self) -> list[dict[str, Any]]:
        """Return the last words of all workers that live."""
        keys = sorted(self.client.scan_iter("tailor:worker:*", count=500))
        values = cast("list[str | None]", self.client.mget(keys)) if keys else []
        return [json.loads(value) for value in values if value]
