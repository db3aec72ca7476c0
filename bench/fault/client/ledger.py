"""What the client knows of every job that it has sent."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Any, Literal

Role = Literal["usual", "killer", "innocent"]


@dataclass
class Entry:
    """One job as its client sees it; times are seconds since the epoch."""

    path: str
    fields: dict[str, Any]
    role: Role = "usual"
    key: str = ""
    ids: set[str] = field(default_factory=set)  # more than one: one key made two jobs
    accepted_at: float | None = None
    ended_at: float | None = None
    ended: dict[str, Any] | None = None  # the job as it was first seen ended
    digests: tuple[str, ...] = ()  # of its pictures, or of its tail
    asked_to_end: bool = False  # the client canceled it or deleted its tail
    troubles: list[str] = field(default_factory=list)

    @property
    def id(self) -> str:
        """The job's id; "" before it was accepted."""
        return min(self.ids, default="")

    @property
    def status(self) -> str:
        """The status with which it ended, "" before."""
        return str(self.ended["status"]) if self.ended else ""


class Ledger:
    """All jobs sent so far; safe in many threads."""

    def __init__(self, seed: int) -> None:
        self._entries: list[Entry] = []
        self._lock = threading.Lock()
        self._seed = seed

    def new(self, path: str, fields: dict[str, Any], role: Role = "usual") -> Entry:
        """Enter a job that is about to be sent, with a key of its own."""
        with self._lock:
            entry = Entry(path, fields, role, key=f"faults-{self._seed}-{len(self._entries)}")
            self._entries.append(entry)
        return entry

    def all(self) -> list[Entry]:
        """Return every job that was sent."""
        with self._lock:
            return list(self._entries)

    def accepted(self) -> list[Entry]:
        """Return every job that was accepted."""
        return [entry for entry in self.all() if entry.accepted_at is not None]

    def open(self) -> list[Entry]:
        """Return the accepted jobs whose ends their clients have not seen."""
        return [entry for entry in self.accepted() if entry.ended_at is None]


def note_accepted(entry: Entry, job: dict[str, Any]) -> None:
    """Note the answer to a submission."""
    entry.ids.add(str(job["id"]))
    entry.accepted_at = entry.accepted_at or time.time()


def note_ended(entry: Entry, job: dict[str, Any]) -> None:
    """Note the end as it was seen first."""
    entry.ended, entry.ended_at = job, time.time()
