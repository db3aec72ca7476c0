"""Temporary files of a folder store: a lock on each says that its writer lives."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

LEFTOVER_AGE_S = 3600  # where files can't be locked, age must tell


@contextmanager
def unfinished(folder: Path, data: bytes) -> Iterator[Path]:
    """Yield a synced temporary file with `data`; what is left of it goes at the end.

    Its writer's death, however sudden, frees the lock, in whichever container of the machine it was.
    """
    path, file = _locked_file(folder)
    try:
        with file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            yield path
    finally:
        path.unlink(missing_ok=True)


def sweep_unfinished(folder: Path) -> None:
    """Delete the files of writers that are gone."""
    for path in folder.iterdir():
        with suppress(FileNotFoundError):
            if _is_left(path):
                path.unlink()


def _locked_file(folder: Path) -> tuple[Path, BinaryIO]:
    while True:
        path = folder / uuid4().hex
        file = path.open("xb")
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        if os.fstat(file.fileno()).st_nlink:
            return path, file
        file.close()  # it was swept between its creation and its lock


def _is_left(path: Path) -> bool:
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return time.time() - path.stat().st_mtime > LEFTOVER_AGE_S
        return True
