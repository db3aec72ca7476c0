"""What a job has made, as files in a folder."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from tailor_client import Job, Tailor


class FolderError(Exception):
    """Nothing can be written there; the message says why in one line."""


def writable(folder: Path) -> Path:
    """Return the folder, which is made if it is not there. Raises FolderError when no file can be made in it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        raise FolderError(f"can't write to {folder}: {error.strerror or error}") from None


def save_results(client: Tailor, job: Job, folder: Path) -> list[Path]:
    """Save what a job has made and its receipt, named after the job or the tail; return the files.

    An edit's pictures are PNGs; a tail is a safetensors file. Raises FolderError when they can't be written after all.
    """
    made = [(folder / f"{job.id}_{result.index}.png", client.download(result)) for result in job.results]
    if job.grid:
        made.append((folder / f"{job.id}_grid.png", client.download(job.grid)))
    if job.kind == "personalize":
        made.append((folder / f"{job.tail_id}.safetensors", client.tail_file(job.tail_id)))
    made.append((folder / f"{job.id}.json", (json.dumps(job.receipt, indent=2) + "\n").encode()))
    try:
        for file, data in made:
            file.write_bytes(data)
    except OSError as error:
        again = f"once there is room: `tailor fetch {job.id} -o FOLDER`"
        raise FolderError(f"can't write to {folder}: {error.strerror or error}; {again}") from None
    return [file for file, _ in made]
