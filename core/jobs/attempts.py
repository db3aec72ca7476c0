"""Attempts at a job: the one that runs now, and those so far as storage knows them."""

from __future__ import annotations

from dataclasses import dataclass

from core.clock import utc_now
from core.jobs import keys
from core.jobs.records import JobSpec
from core.record import SCHEMA_VERSION
from core.storage.base import Storage


@dataclass(frozen=True)
class Attempt:
    """One numbered try at a job, and the token of its lease: the right to try the job now.

    `crashes` is how many attempts before it were lost with their worker; after the first one it begins `alone`.
    """

    spec: JobSpec
    number: int
    token: str
    crashes: int = 0
    alone: bool = False

    def key(self, name: str) -> str:
        """Return the storage key for something that this attempt makes."""
        return keys.output(self.spec.id, self.number, name)


@dataclass(frozen=True)
class AttemptHistory:
    """A job's attempts so far, as storage knows them."""

    claimed: tuple[int, ...] = ()
    handed_back: tuple[int, ...] = ()

    @property
    def newest(self) -> int:
        """The number of the newest attempt; 0 when there was none."""
        return max(self.claimed, default=0)

    @property
    def unfinished(self) -> int:
        """How many were neither handed back nor brought to an end: only these cost one."""
        return len(set(self.claimed) - set(self.handed_back))

    @property
    def running(self) -> bool:
        """Whether the newest one may still be running."""
        return self.newest > 0 and self.newest not in self.handed_back


def read_attempts(storage: Storage, job_id: str) -> AttemptHistory:
    """Read a job's attempts from storage."""
    names = [info.key.rsplit("/", 1)[1] for info in storage.list(keys.attempts(job_id))]
    claimed = tuple(int(name.partition(".")[0]) for name in names if name.endswith(".json"))
    return AttemptHistory(
        claimed, tuple(int(name.partition(".")[0]) for name in names if name.endswith(".handed-back"))
    )


def claim_attempt(storage: Storage, job_id: str, number: int, worker_id: str) -> bool:
    """Claim an attempt for a worker: True for the one that won."""
    note = f'{{"schema_version":{SCHEMA_VERSION},"worker":"{worker_id}","at":"{utc_now().isoformat()}"}}'
    return storage.create(keys.attempt(job_id, number), note.encode(), "application/json")
