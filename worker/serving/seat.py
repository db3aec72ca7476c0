"""A worker's seat on its machine: a locked file with what it runs, by which the next worker sees how it ended."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from core.jobs.attempts import Attempt

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
log = structlog.get_logger()


@dataclass(frozen=True)
class LeftBehind:
    """An attempt that a dead process ran; `crashed` unless the whole machine went down with it."""

    job_id: str
    number: int
    token: str
    crashed: bool


class Seat:
    """Holds a lock for as long as the process lives: whoever gets the lock of another seat knows its process is dead.

    So its jobs need not wait for their leases to run out, and a process that died is told from a machine that did.
    """

    def __init__(self, folder: Path) -> None:
        """Take a free seat in the folder of the machine's workers on one storage and Redis; raises OSError."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.left_behind: list[LeftBehind] = []
        self._file = -1
        for path in sorted(folder.glob("seat-*")):
            self._take_over(path)
        number = 0
        while self._file < 0:
            self._take_over(folder / f"seat-{number}")
            number += 1
        self.note([])

    def _take_over(self, path: Path) -> None:
        """Read what the dead process of a seat left behind; the first such seat becomes this one's."""
        descriptor = _lock(path)
        if descriptor is None:
            return  # its process lives
        self.left_behind += _read(descriptor)
        if self._file < 0:
            self._file = descriptor
        else:
            os.ftruncate(descriptor, 0)
            os.close(descriptor)

    def note(self, attempts: Sequence[Attempt]) -> None:
        """Write down what this worker runs now."""
        running = [[attempt.spec.id, attempt.number, attempt.token] for attempt in attempts]
        data = json.dumps({"boot": _boot_id(), "running": running}).encode()
        os.pwrite(self._file, data, 0)
        os.ftruncate(self._file, len(data))


def open_seat(folder: Path) -> Seat | NoSeat:
    """Take a seat, or do without one where the folder can't be written: lost jobs then wait for their leases."""
    try:
        return Seat(folder)
    except OSError as error:
        log.warning("seat.none", folder=str(folder), error=str(error))
        return NoSeat()


class NoSeat:
    """What a worker has that can't keep a file."""

    left_behind: Iterable[LeftBehind] = ()

    def note(self, attempts: Sequence[Attempt]) -> None:
        """Write nothing down."""


def _lock(path: Path) -> int | None:
    """Return an open descriptor that holds the file's lock; None when another process holds it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _read(descriptor: int) -> list[LeftBehind]:
    try:
        written = json.loads(os.pread(descriptor, 1 << 20, 0) or b"{}")
        crashed = written.get("boot") == _boot_id()
        return [LeftBehind(job_id, number, token, crashed) for job_id, number, token in written.get("running", [])]
    except (ValueError, TypeError, AttributeError):  # written by another version
        return []


def _boot_id() -> str:
    try:
        return BOOT_ID.read_text().strip()
    except OSError:  # macOS: a machine that went down is taken for a process that died
        return ""
