"""The names of everything in Redis; scripts get them passed and make none up."""

from __future__ import annotations

from core.jobs.records import KINDS

CHANGED = "tailor:changed"  # the channel on which the id of every changed job is published
CANCELED = "tailor:canceled"  # the channel on which the id of every job that ended from outside is published
OPEN_JOBS = "tailor:open"  # the sorted set of all jobs that have not ended, by time of acceptance
WAITING_JOBS = "tailor:waiting"  # the set of edits that wait for their tails
EPOCH = "tailor:epoch"  # there since Redis was last filled from storage
DRAINING = "tailor:draining"  # the worker that makes itself free for suspects
WORKERS = "tailor:worker:"  # and a worker's id: what its heartbeat says

SUSPECTS = "suspects"  # the line of jobs that were there when a worker crashed: they run alone
LINES: tuple[str, ...] = (*KINDS, SUSPECTS)


def record_key(job_id: str) -> str:
    """Return the hash of a job's live record."""
    return f"tailor:job:{job_id}"


def events_key(job_id: str) -> str:
    """Return the Redis Stream of a job's events: fields `type` (status or progress) and `data` (JSON)."""
    return f"tailor:events:{job_id}"


def lease_key(job_id: str) -> str:
    """Return the key whose value is the token of the attempt that may run now."""
    return f"tailor:lease:{job_id}"


def line_key(line: str) -> str:
    """Return the sorted set of the queued jobs of a line, by their places."""
    return f"tailor:line:{line}"


def turns_key(line: str) -> str:
    """Return the hash of whose turn it is in a line: `now`, `owner:…` (each owner's last turn) and `count`."""
    return f"tailor:turns:{line}"


def line_keys(*, but: str = "") -> list[str]:
    """Return the keys of all lines, one of them left out."""
    return [line_key(line) for line in LINES if line != but]
