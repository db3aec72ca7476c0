"""Shows log files on the terminal as they grow.

Processes write into their files themselves: their output then outlives the supervisor, and no full pipe stops them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

MAX_LOG_BYTES = 20 * 2**20


@dataclass
class _Followed:
    path: Path
    offset: int
    partial: bytes = b""


class LogFollower:
    """Passes each new line of each followed file to `show(name, line)`, from one thread."""

    def __init__(self, show: Callable[[str, str], None]) -> None:
        self._show = show
        self._followed: dict[str, _Followed] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="logs", daemon=True)

    def add(self, name: str, path: Path) -> None:
        """Follow a file from its present end; one that has grown beyond 20 MiB is put aside first."""
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size > MAX_LOG_BYTES:
            path.replace(path.with_suffix(".log.1"))
        path.touch()
        self._followed[name] = _Followed(path, path.stat().st_size)

    def start(self) -> None:
        """Begin to show."""
        self._thread.start()

    def stop(self) -> None:
        """Show what has been written and end."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(0.1):
            self._show_new()
        self._show_new()

    def _show_new(self) -> None:
        for name, followed in list(self._followed.items()):
            with followed.path.open("rb") as file:
                file.seek(followed.offset)
                new = file.read()
            followed.offset += len(new)
            *lines, followed.partial = (followed.partial + new).split(b"\n")
            for line in lines:
                self._show(name, line.decode(errors="replace"))
