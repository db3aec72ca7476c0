"""Attempts as storage has them: which worker claimed which attempt at which job, and when."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from core.jobs import keys
from core.jobs.attempts import read_attempts
from core.jobs.records import JobEnd
from core.storage.base import ObjectMissingError, Storage

MOST_SKEW_S = 30.0  # a claim that says it is further from its object's own time was made by a wrong clock


@dataclass(frozen=True)
class Claim:
    """One claimed attempt; `at` is in seconds since the epoch."""

    job_id: str
    number: int
    pid: int
    at: float
    handed_back: bool


def claims_of(storage: Storage, job_id: str) -> list[Claim]:
    """Return a job's attempts, the oldest first."""
    history = read_attempts(storage, job_id)
    found = []
    for number in sorted(history.claimed):
        key = keys.attempt(job_id, number)
        try:
            note, info = json.loads(storage.get(key)), storage.head(key)
        except ObjectMissingError:  # deleted with its job just now
            continue
        if info is not None:
            at = _seconds(note["at"], info.modified.timestamp())
            found.append(Claim(job_id, number, _pid(note["worker"]), at, number in history.handed_back))
    return found


def _seconds(said: str, modified: float) -> float:
    """Return when it was claimed: S3 tells whole seconds only, so the note's own time counts unless it is far off."""
    at = datetime.fromisoformat(said).timestamp()
    return at if abs(at - modified) < MOST_SKEW_S else modified


def _pid(worker: str) -> int:
    """Return the process id in a worker's id (host-pid-random)."""
    return int(worker.rsplit("-", 2)[1])


def end_of(storage: Storage, job_id: str) -> JobEnd | None:
    """Return a job's end."""
    try:
        return JobEnd.model_validate_json(storage.get(keys.end(job_id)))
    except ObjectMissingError:
        return None


def running_on(storage: Storage, pid: int, job_ids: list[str]) -> list[str]:
    """Return which of these jobs a worker's process has claimed last, and not ended."""
    found = []
    for job_id in job_ids:
        claims = claims_of(storage, job_id)
        if claims and claims[-1].pid == pid and not claims[-1].handed_back and end_of(storage, job_id) is None:
            found.append(job_id)
    return found
