"""The jobs that have not ended: those past their deadline, those that wait for a tail, a slice of all."""

from __future__ import annotations

from typing import cast

import redis

from core.jobs.ids import tail_of
from core.live import names


class OpenJobs:
    """All jobs that have not ended, found by what is due and never by reading all of them."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def count(self) -> int:
        """Return how many there are."""
        return int(self._client.zcard(names.OPEN_JOBS))

    def count_of(self, owner: str, now_ms: int) -> int:
        """Return how many an owner has; what nobody ended counts until its deadline and no longer."""
        key = names.open_key(owner)
        with self._client.pipeline(transaction=False) as pipe:
            pipe.zremrangebyscore(key, "-inf", now_ms)
            pipe.zcard(key)
            return int(pipe.execute()[1])

    def counts(self) -> dict[str, int]:
        """Return what was counted since Redis was empty: `ended:kind:status` and `leases-lost`."""
        return {name: int(count) for name, count in cast("dict[str, str]", self._client.hgetall(names.COUNTS)).items()}

    def some(self, first: int, count: int) -> list[str]:
        """Return jobs by age, from the `first`-th oldest on."""
        return cast("list[str]", self._client.zrange(names.OPEN_JOBS, first, first + count - 1))

    def overdue(self, now_ms: int, count: int) -> list[str]:
        """Return jobs whose deadline has passed."""
        return cast("list[str]", self._client.zrangebyscore(names.DEADLINES, "-inf", now_ms, start=0, num=count))

    def are_open(self, job_ids: list[str]) -> list[bool]:
        """Return for each job whether it is known as open."""
        if not job_ids:
            return []
        return [score is not None for score in self._client.zmscore(names.OPEN_JOBS, job_ids)]

    def closing(self, until_ms: int, count: int) -> list[str]:
        """Return jobs that ended before a time and that nobody has finished to close."""
        return cast("list[str]", self._client.zrangebyscore(names.CLOSING, "-inf", until_ms, start=0, num=count))

    def closed(self, job_id: str) -> None:
        """Note that all that follows an end is done."""
        self._client.zrem(names.CLOSING, job_id)

    def forget(self, job_id: str) -> None:
        """Remove all that is known of a job; beginning it again begins from nothing."""
        lines = cast("set[str]", self._client.smembers(names.LINES_IN_USE))
        owner = cast("str | None", self._client.hget(names.record_key(job_id), "owner"))
        with self._client.pipeline() as pipe:
            pipe.delete(names.record_key(job_id), names.events_key(job_id), names.lease_key(job_id))
            pipe.delete(names.told_key(job_id), names.ready_key(tail_of(job_id)))
            owners = [names.open_key(owner)] if owner else []
            for sorted_set in (names.OPEN_JOBS, names.DEADLINES, names.LEASES, names.CLOSING, *owners):
                pipe.zrem(sorted_set, job_id)
            for line in lines:
                pipe.zrem(names.line_key(*line.rpartition(":")[::2]), job_id)
            pipe.srem(names.WAITING_JOBS, job_id)
            pipe.execute()

    # Edits that wait for a tail

    def waiting(self) -> int:
        """Return how many edits wait for their tails."""
        return int(self._client.scard(names.WAITING_JOBS))

    def are_waiting(self, job_ids: list[str]) -> list[bool]:
        """Tell of each job whether it is an edit that waits for its tail."""
        return [bool(waits) for waits in self._client.smismember(names.WAITING_JOBS, job_ids)] if job_ids else []

    def begin_settling(self, tail_id: str) -> None:
        """Note that a tail has ended and its edits are to be settled, so that somebody goes on if this process dies."""
        self._client.sadd(names.SETTLING, tail_id)

    def settling(self, count: int) -> list[str]:
        """Return some of the tails whose edits are to be settled."""
        return cast("list[str]", self._client.srandmember(names.SETTLING, count))

    def end_settling(self, tail_id: str) -> None:
        """Note that no edit waits for this tail any more."""
        self._client.srem(names.SETTLING, tail_id)

    def waiting_for(self, tail_id: str, count: int) -> list[str]:
        """Return some of the edits that wait for a tail."""
        return cast("list[str]", self._client.srandmember(names.waiting_key(tail_id), count))

    def some_waiting(self, tail_ids: list[str], count: int) -> list[list[str]]:
        """Return some of the edits that wait for each of these tails."""
        if not tail_ids or not self.waiting():
            return [[] for _ in tail_ids]
        with self._client.pipeline(transaction=False) as pipe:
            for tail_id in tail_ids:
                pipe.srandmember(names.waiting_key(tail_id), count)
            return cast("list[list[str]]", pipe.execute())

    def forget_waiting(self, job_id: str, tail_id: str, *, for_others: bool) -> None:
        """Take an edit from those that wait for a tail; it may still wait for others."""
        self._client.srem(names.waiting_key(tail_id), job_id)
        if not for_others:
            self._client.srem(names.WAITING_JOBS, job_id)
