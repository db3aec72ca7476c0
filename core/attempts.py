from __future__ import annotations

from dataclasses import dataclass

from core import keys
from core.schemas import SCHEMA_VERSION, utc_now
from core.storage.base import Storage


@dataclass(frozen=True)
class Attempts:
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


def read_attempts(storage: Storage, job_id: str) -> Attempts:
    """Read a job's attempts from storage."""
    names = [info.key.rsplit("/", 1)[1] for info in storage.list(keys.attempts(job_id))]
    claimed = tuple(int(name.partition(".")[0]) for name in names if name.endswith(".json"))
    return Attempts(claimed, tuple(int(name.partition(".")[0]) for name in names if name.endswith(".handed-back")))


def claim_attempt(storage: Storage, job_id: str, number: int, worker_id: str) -> bool:
    """Claim an attempt for a worker: True for the one that won."""
    note = f'{{"schema_version":{SCHEMA_VERSION},"worker":"{worker_id}","at":"{utc_now().isoformat()}"}}'
    return storage.create(keys.attempt(job_id, number), note.encode(), "application/json")
