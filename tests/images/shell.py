"""Other programs: their output, or an error that shows it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.images.errors import ImagesError


def output(*command: str, timeout_s: float = 60, cwd: Path | None = None) -> str:
    """Return what a program printed. Raises ImagesError with all it said when it fails or takes too long."""
    try:
        done = subprocess.run(
            command, cwd=cwd, capture_output=True, text=True, timeout=timeout_s, check=False, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        raise ImagesError(f"{' '.join(command)} took more than {timeout_s:.0f} s") from None
    if done.returncode:
        raise ImagesError(
            f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-4000:]}{done.stderr[-4000:]}"
        )
    return done.stdout.strip()


def works(*command: str, timeout_s: float = 60) -> bool:
    """Whether a program is there and ends well within the time."""
    try:
        return subprocess.run(
            command, capture_output=True, timeout=timeout_s, check=False, stdin=subprocess.DEVNULL
        ).returncode == 0  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return False
