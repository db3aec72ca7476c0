"""The GPUs that workers on this machine may have, found without torch."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

VISIBLE = "CUDA_VISIBLE_DEVICES"
DRIVER = Path("/proc/driver/nvidia/gpus")
LISTING_TIMEOUT_S = 20.0  # a driver that is not kept loaded takes seconds for its first answer
_LISTED = re.compile(r"^\s*(?P<kind>GPU|MIG)\b.*\(UUID: (?P<uuid>[^)\s]+)\)", re.MULTILINE)


def usable_gpus() -> list[str]:
    """Return what CUDA_VISIBLE_DEVICES may name for one worker each: UUIDs, or what the variable names already.

    Nothing when torch is a build for the CPU, whatever the machine has.
    """
    if _torch_version().endswith("+cpu"):
        return []
    return visible_gpus(os.environ, listed_gpus(_listing()) or driver_gpus(DRIVER))


def listed_gpus(listing: str) -> list[str]:
    """Return the UUIDs in what `nvidia-smi -L` says: of the GPUs, or of a GPU's MIG devices where it has some."""
    uuids: list[str] = []
    whole: str | None = None  # the GPU whose MIG devices would follow
    for match in _LISTED.finditer(listing):
        if match["kind"] == "GPU":
            whole = match["uuid"]
        elif uuids and uuids[-1] == whole:
            uuids.pop()  # it is divided: a process gets a part of it, never the whole
        uuids.append(match["uuid"])
    return uuids


def driver_gpus(driver: Path) -> list[str]:
    """Return the GPUs that the kernel's driver shows: their UUIDs, or their numbers where one hides its UUID."""
    folders = sorted(path.parent for path in driver.glob("*/information"))
    uuids = [re.search(r"^GPU UUID:\s*(GPU-[0-9a-f-]+)\s*$", _text(f / "information"), re.MULTILINE) for f in folders]
    found = [match[1] for match in uuids if match]
    return found if len(found) == len(folders) else [str(number) for number in range(len(folders))]


def visible_gpus(environ: Mapping[str, str], there: list[str]) -> list[str]:
    """Return those of a machine's GPUs that CUDA_VISIBLE_DEVICES leaves visible, as it names them; without it all.

    As for CUDA, an entry that can't be ends the list: so -1, and an empty one, hide everything after them.
    """
    if VISIBLE not in environ:
        return there
    visible: list[str] = []
    for entry in (part.strip() for part in environ[VISIBLE].split(",")):
        if not _can_be(entry, there) or entry in visible:
            break
        visible.append(entry)
    return visible


def _can_be(entry: str, there: list[str]) -> bool:
    if entry.isdecimal():
        return int(entry) < len(there)
    return bool(there) and entry.startswith(("GPU-", "MIG-"))


def _listing() -> str:
    try:
        done = subprocess.run(
            ["nvidia-smi", "-L"],  # noqa: S607 - where it lies differs
            capture_output=True,
            text=True,
            timeout=LISTING_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def _torch_version() -> str:
    try:
        return version("torch")
    except PackageNotFoundError:
        return ""


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""
