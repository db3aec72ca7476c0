"""A wrong clock for one process: libfaketime, where it is installed."""

from __future__ import annotations

from pathlib import Path

DAYS_OFF = 3  # more than a job's deadline
FOLDERS = ("/usr/lib", "/usr/local/lib", "/opt/homebrew/lib")


def library() -> Path | None:
    """Return libfaketime for programs with threads, None when it is not installed."""
    for folder in FOLDERS:
        for pattern in ("*/faketime/libfaketimeMT.so.1", "faketime/libfaketimeMT.so.1"):
            if found := next(Path(folder).glob(pattern), None):
                return found
    return None


def faketime() -> dict[str, str]:
    """Return the variables that put a process' clock days ahead, but leave its monotonic clock alone."""
    return {"LD_PRELOAD": str(library()), "FAKETIME": f"+{DAYS_OFF}d", "DONT_FAKE_MONOTONIC": "1"}


def missing() -> str:
    """Say why no clock can be made wrong here, "" when it can."""
    return "" if library() else "libfaketime is not installed (Debian: libfaketime)"
