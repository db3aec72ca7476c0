"""A small disk for storage in a folder, which can be filled: a tmpfs, which only root can mount."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SIZE_MB = 64


class SmallDisk:
    """A tmpfs of some megabytes at a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    @contextmanager
    def full(self) -> Iterator[None]:
        """Leave no byte free for as long as the block."""
        try:
            with self._filler.open("wb") as file:
                _fill(file.fileno())
            yield
        finally:
            self._filler.unlink()


def _fill(descriptor: int) -> None:
    for size in (1 << 20, 1 << 12, 1):
        block = b"\0" * size
        try:
            while os.write(descriptor, block) == size:
                pass
        except OSError:  # ENOSPC: smaller pieces may still fit
            continue


@contextmanager
def small_disk(folder: Path) -> Iterator[SmallDisk | None]:
    """Mount one for as long as the block; None where that is not allowed."""
    folder.mkdir(parents=True, exist_ok=True)
    mount, umount = shutil.which("mount"), shutil.which("umount")
    options = ["-t", "tmpfs", "-o", f"size={SIZE_MB}m", "tmpfs", str(folder)]
    if mount is None or umount is None or not _succeeds([mount, *options]):
        yield None
        return
    try:
        yield SmallDisk(folder)
    finally:
        _succeeds([umount, "-l", str(folder)])


def _succeeds(command: list[str]) -> bool:
    return subprocess.run(command, check=False, capture_output=True).returncode == 0  # noqa: S603 - found on the PATH
