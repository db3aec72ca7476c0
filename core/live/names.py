"""The names of everything in Redis; scripts get them passed and make none up."""

from __future__ import annotations

import hashlib

from core.jobs.records import KINDS, JobKind, JobSpec

TAG = "{tailor}"  # what is in braces decides where a key lies in a cluster: all together, as scripts need many of them
CANCELED = f"{TAG}:canceled"  # the channel on which the id of every job that ended from outside is published
OPEN_JOBS = f"{TAG}:open"  # the sorted set of all jobs that have not ended, by time of acceptance
DEADLINES = f"{TAG}:deadlines"  # the sorted set of the same jobs, by deadline in ms
CLOSING = f"{TAG}:closing"  # the sorted set of ended jobs that are still being swept, by the time of their end in ms
LEASES = f"{TAG}:leases"  # the sorted set of leased jobs, by the end of their lease in ms
WAITING_JOBS = f"{TAG}:waiting"  # the set of edits that wait for their tails
SETTLING = f"{TAG}:settling"  # the set of tails that have ended and whose edits are being queued
LINES_IN_USE = f"{TAG}:lines"  # the set of lines, as `line:model hash`, that ever had a job
EPOCH = f"{TAG}:epoch"  # there since Redis was last filled from storage
LEADER = f"{TAG}:leader"  # the process whose reconciler looks after all jobs
WATCHED = f"{TAG}:watched"  # when a leader last looked, in ms
GRACE = f"{TAG}:grace"  # until when nobody is reaped, in ms
DRAINING = f"{TAG}:draining"  # the worker that makes itself free for jobs that must run alone
WORKERS = f"{TAG}:workers"  # the sorted set of workers, by the end of what their last heartbeat vouches for, in ms
DELIVERIES = f"{TAG}:deliveries"  # the sorted set of webhook deliveries that are owed, by when they are due in ms
WORKER_STATES = f"{TAG}:worker-states"  # the hash of what each worker said of itself
WORKER_LOADS = f"{TAG}:worker-loads"  # the hash of what each worker runs, and how fast

NUDGES = f"{TAG}:nudges:"  # before every name that Celery has here

COUNTS = f"{TAG}:counts"  # the hash of what was counted since Redis was empty: `ended:kind:status`, `leases-lost`

ALONE = "alone"  # the line of jobs that were there at two crashes


def again(kind: JobKind) -> str:
    """Return the line of jobs of a kind that were there when a worker crashed."""
    return f"{kind}.again"


LINES: tuple[str, ...] = (*KINDS, *(again(kind) for kind in KINDS), ALONE)


def nudges_key(kind: JobKind) -> str:
    """Return the list of a kind's nudges that nobody has taken yet: kombu keeps a queue under its name."""
    return NUDGES + kind


def changed_channel(job_id: str) -> str:
    """Return the channel on which a job's changes are published: only who watches the job hears of them."""
    return f"{TAG}:changed:{job_id}"


def record_key(job_id: str) -> str:
    """Return the hash of a job's live record."""
    return f"{TAG}:job:{job_id}"


def events_key(job_id: str) -> str:
    """Return the Redis Stream of a job's events: fields `type` (status or progress) and `data` (JSON)."""
    return f"{TAG}:events:{job_id}"


def lease_key(job_id: str) -> str:
    """Return the key whose value is the token of the attempt that may run now."""
    return f"{TAG}:lease:{job_id}"


def open_key(owner: str) -> str:
    """Return the sorted set of an owner's jobs that have not ended, by deadline in ms."""
    return f"{TAG}:open:{owner}"


LEASES_LOST = "leases-lost"  # the field of COUNTS that says how many leases ran out


def ended_count(kind: JobKind, status: str) -> str:
    """Return the field of COUNTS that says how many jobs of a kind ended so."""
    return f"ended:{kind}:{status}"


def rate_key(policy: str, who: str) -> str:
    """Return the key whose value is when somebody has all of an allowance again, in ms."""
    return f"{TAG}:rate:{policy}:{who}"


def stored_key(owner: str) -> str:
    """Return the key whose value is how many bytes an owner has stored, for as long as that is taken for true."""
    return f"{TAG}:stored:{owner}"


def counting_key(owner: str) -> str:
    """Return the hash that is there while somebody adds up what an owner has stored: a token, what came meanwhile."""
    return f"{TAG}:stored-counting:{owner}"


def given_back_key(job_id: str) -> str:
    """Return the key that is there when a deleted job's bytes were taken off its owner's; it does not tell the job."""
    return f"{TAG}:stored-given-back:{hashlib.sha256(job_id.encode()).hexdigest()[:24]}"


def other_waiting_keys(spec: JobSpec) -> list[str]:
    """Return the sets of the edits that wait for an edit's tails beside its first."""
    return [waiting_key(tail_id) for tail_id in spec.tail_ids[1:]]


def ready_key(tail_id: str) -> str:
    """Return the key whose value is a token for as long as processes may remember a tail as ready."""
    return f"{TAG}:ready:{tail_id}"


def told_key(job_id: str) -> str:
    """Return the key whose value is the spec of a queued job that is soon to be claimed, as storage has it."""
    return f"{TAG}:told:{job_id}"


def waiting_key(tail_id: str) -> str:
    """Return the set of edits that wait for a tail."""
    return f"{TAG}:waiting:{tail_id}"


def in_use(line: str, model_hash: str) -> str:
    """Return a line of a model as a member of LINES_IN_USE."""
    return f"{line}:{model_hash}"


def line_key(line: str, model_hash: str) -> str:
    """Return the sorted set of the queued jobs of a model's line, by their places."""
    return f"{TAG}:line:{line}:{model_hash}"


def turns_key(line: str, model_hash: str) -> str:
    """Return the hash of whose turn it is in a line: `now`, `owner:…` (each owner's last turn) and `count`."""
    return f"{TAG}:turns:{line}:{model_hash}"


def lines_of(spec: JobSpec) -> tuple[str, ...]:
    """Return the lines in which a job may stand."""
    return spec.kind, again(spec.kind), ALONE


def line_keys(spec: JobSpec, *, but: str = "") -> list[str]:
    """Return the keys of the lines in which a job may stand, one of them left out."""
    return [line_key(line, spec.model_hash) for line in lines_of(spec) if line != but]
