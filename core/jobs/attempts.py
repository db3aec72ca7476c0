"""Attempts at a job: the one that runs now, and those so far as storage knows them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from core.jobs import keys
from core.jobs.records import JobSpec
from core.record import SCHEMA_VERSION
from core.storage.base import Storage


@dataclass(frozen=True)
class Attempt:
    """One numbered try at a job, and the token of its lease: the right to try the job now.

    `crashes` is how many attempts before it ended with their process, as far as that may be the job's doing: after one
    it runs in half the company, after two `alone`.
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
    crashed: tuple[int, ...] = ()

    @property
    def newest(self) -> int:
        """The number of the newest attempt; 0 when there was none."""
        return max(self.claimed, default=0)

    @property
    def unfinished(self) -> int:
        """How many were neither handed back nor brought to an end."""
        return len(set(self.claimed) - set(self.handed_back))

    @property
    def crashes(self) -> int:
        """How many ended with their process while its machine lived on: the job itself may be the reason.

        Of those that were lost without a word (a machine died or was taken away) only every second one counts.
        """
        known = set(self.crashed) - set(self.handed_back)
        lost = set(self.claimed) - set(self.handed_back) - known
        return len(known) + len(lost) // 2

    @property
    def running(self) -> bool:
        """Whether the newest one may still be running."""
        return self.newest > 0 and self.newest not in self.handed_back


def read_attempts(storage: Storage, job_id: str) -> AttemptHistory:
    """Read a job's attempts from storage."""
    names = [info.key.rsplit("/", 1)[1] for info in storage.list(keys.attempts(job_id))]
    return AttemptHistory(_numbers(names, ".json"), _numbers(names, ".handed-back"), _numbers(names, ".crashed"))


def _numbers(names: list[str], ending: str) -> tuple[int, ...]:
    return tuple(int(name.removesuffix(ending)) for name in names if name.endswith(ending))


def create_attempt(storage: Storage, job_id: str, number: int, worker_id: str, at: datetime) -> bool:
    """Create an attempt for a worker: True for the one that won."""
    note = f'{{"schema_version":{SCHEMA_VERSION},"worker":"{worker_id}","at":"{at.isoformat()}"}}'
    return storage.create(keys.attempt(job_id, number), note.encode(), "application/json")
