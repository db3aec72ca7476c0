"""The lines of queued jobs, one set of them a model: for each kind, for what met a crash, for what must run alone."""

from __future__ import annotations

from typing import cast

import redis

from core.jobs.records import JobSpec
from core.live import names
from core.live.scripts import Scripts

PEEKED = 8  # jobs at the head of a line that a claim tries: others may be taking the first ones right now


class Lines:
    """Who comes next: the oldest job of each owner, the owners in turn."""

    def __init__(self, client: redis.Redis, scripts: Scripts, *, lease_ms: int) -> None:
        self._client = client
        self._scripts = scripts
        self._lease_ms = lease_ms

    def claim(self, line: str, model_hash: str, token: str) -> tuple[str, int] | None:
        """Take the next job of a line and its lease at once; None when the line is empty.

        Returns the job's id and the number of its last attempt, as far as Redis knows.
        """
        while head := cast("list[str]", self._client.zrange(names.line_key(line, model_hash), 0, PEEKED - 1)):
            for job_id in head:
                if (last_attempt := self._claim(line, model_hash, job_id, token)) >= 0:
                    return job_id, last_attempt
        return None

    def _claim(self, line: str, model_hash: str, job_id: str, token: str) -> int:
        ways = [names.line_key(line, model_hash), names.turns_key(line, model_hash)]
        keys = [*ways, names.record_key(job_id), names.lease_key(job_id), names.LEASES]
        return int(self._scripts.run("claim", keys, job_id, token, self._lease_ms))

    def told(self, job_id: str) -> str | None:
        """Return the spec of a job that was just claimed, as JSON, if it is here; whoever asks takes it away."""
        return cast("str | None", self._client.getdel(names.told_key(job_id)))

    def enqueue(self, spec: JobSpec, line: str, *, token: str = "", attempt: int = 0) -> bool:
        """Put a job into a line as queued, unless another attempt holds its lease or it has ended.

        `token` and `attempt` are those of the attempt that gives it back.
        """
        job = [names.record_key(spec.id), names.events_key(spec.id), names.lease_key(spec.id), names.LEASES]
        waiting = [names.WAITING_JOBS, names.waiting_key(spec.tail_id)]
        ways = [names.line_key(line, spec.model_hash), names.turns_key(line, spec.model_hash), names.LINES_IN_USE]
        told = (names.changed_channel(spec.id), line, names.in_use(line, spec.model_hash), token, attempt)
        others = names.other_waiting_keys(spec)
        keys = [*job, *waiting, *ways, *names.line_keys(spec, but=line), *others]
        return bool(self._scripts.run("enqueue", keys, spec.id, *told, len(others)))

    def put_back(self, job_id: str, line: str, model_hash: str, token: str) -> None:
        """Put a job back that was taken from a line and can't be begun here."""
        keys = [names.line_key(line, model_hash), names.record_key(job_id), names.lease_key(job_id), names.LEASES]
        self._scripts.run("put_back", keys, job_id, token)

    def lengths(self) -> dict[tuple[str, str], int]:
        """Return how many jobs stand in each line of each model, empty lines left out."""
        in_use = cast("set[str]", self._client.smembers(names.LINES_IN_USE))
        lines = [tuple(member.rpartition(":")[::2]) for member in in_use]
        with self._client.pipeline(transaction=False) as pipe:
            for line, model_hash in lines:
                pipe.zcard(names.line_key(line, model_hash))
            counts = pipe.execute()
        return {(line, model): count for (line, model), count in zip(lines, counts, strict=True) if count}

    def heads(self, lines: list[tuple[str, str]], count: int) -> list[tuple[list[str], int]]:
        """Return the first jobs of each of these lines of a model, and how many stand in it."""
        with self._client.pipeline(transaction=False) as pipe:
            for line, model_hash in lines:
                pipe.zrange(names.line_key(line, model_hash), 0, count - 1)
                pipe.zcard(names.line_key(line, model_hash))
            found = pipe.execute()
        return list(zip(found[::2], found[1::2], strict=True))

    def next_since(self) -> dict[str, float]:
        """Return by line when the job that is next in it was accepted, in seconds since 1970; the oldest of all models.

        Empty lines are left out.
        """
        lines = list(self.lengths())
        heads = [(line, jobs[0]) for (line, _), (jobs, _) in zip(lines, self.heads(lines, 1), strict=True) if jobs]
        with self._client.pipeline(transaction=False) as pipe:
            for _, job_id in heads:
                pipe.zscore(names.OPEN_JOBS, job_id)
            accepted = zip([line for line, _ in heads], pipe.execute(), strict=True)
        oldest: dict[str, float] = {}
        for line, at in accepted:
            if at is not None:
                oldest[line] = min(float(at), oldest.get(line, float("inf")))
        return oldest

    def length(self, line: str) -> int:
        """Return how many jobs stand in a line, over all models."""
        return sum(count for (name, _), count in self.lengths().items() if name == line)

    def has_any(self, line: str, model_hashes: list[str]) -> bool:
        """Tell whether somebody stands in a line of one of these models."""
        with self._client.pipeline(transaction=False) as pipe:
            for model_hash in model_hashes:
                pipe.exists(names.line_key(line, model_hash))
            return any(pipe.execute())
