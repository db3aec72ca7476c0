"""Attempts at a job: the one that runs now, and those so far as storage knows them."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from core.jobs import keys
from core.jobs.records import JobSpec
from core.record import SCHEMA_VERSION
from core.storage.base import ObjectMissingError, Storage

FIRST_ALONE = 3  # the attempt that ran alone if each one before it had ended in a crash


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
    in_company: tuple[int, ...] = ()  # of those that began alone

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

        Of those that were lost without a word only the first and then every second one counts: mostly their machine
        died or was taken away. The first does, as a worker that died of a job may be slow to come back and tell so,
        and meanwhile the job would take the next worker with all that runs there.
        """
        known = set(self.crashed) - set(self.handed_back)
        lost = set(self.claimed) - set(self.handed_back) - known
        return len(known) + (len(lost) + 1) // 2

    def only(self, numbers: Collection[int]) -> AttemptHistory:
        """Return the history of some of the attempts."""
        each = (self.claimed, self.handed_back, self.crashed, self.in_company)
        return AttemptHistory(*(tuple(number for number in some if number in numbers) for some in each))

    @property
    def running(self) -> bool:
        """Whether the newest one may still be running."""
        return self.newest > 0 and self.newest not in self.handed_back


def read_attempts(storage: Storage, job_id: str) -> AttemptHistory:
    """Read a job's attempts from storage."""
    names = [info.key.rsplit("/", 1)[1] for info in storage.list(keys.attempts(job_id))]
    endings = (".json", ".handed-back", ".crashed", ".in-company")
    return AttemptHistory(*(_numbers(names, ending) for ending in endings))


def _numbers(names: list[str], ending: str) -> tuple[int, ...]:
    return tuple(int(name.removesuffix(ending)) for name in names if name.endswith(ending))


def create_attempt(storage: Storage, attempt: Attempt, worker_id: str, at: datetime) -> bool:
    """Create an attempt for a worker: True for the one that won."""
    alone = "true" if attempt.alone else "false"
    note = f'{{"schema_version":{SCHEMA_VERSION},"worker":"{worker_id}","at":"{at.isoformat()}","alone":{alone}}}'
    return storage.create(keys.attempt(attempt.spec.id, attempt.number), note.encode(), "application/json")


def ran_alone(storage: Storage, job_id: str, history: AttemptHistory) -> AttemptHistory:
    """Return the attempts that had their worker to themselves to the end.

    Of those whose note doesn't say (it is of an earlier version, or just deleted with its job) all from the third.
    """
    began = [number for number in history.claimed if _began_alone(storage, job_id, number)]
    return history.only(set(began) - set(history.in_company))


def _began_alone(storage: Storage, job_id: str, number: int) -> bool:
    try:
        note = json.loads(storage.get(keys.attempt(job_id, number)))
    except (ObjectMissingError, ValueError):
        note = {}
    return bool(note.get("alone", number >= FIRST_ALONE))
