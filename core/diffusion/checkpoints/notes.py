"""What a checkpoint says of itself to people: a description and a license."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from core.diffusion.checkpoints.checkpoint import Checkpoint

MOST_CHARS = 20_000  # of a license
_LICENSES = ("LICENSE", "LICENSE.md", "LICENSE.txt", "LICENCE", "license.txt")
_FRONT_MATTER = re.compile(r"\A---\n(?:.*\n)*?license: *([^\n]+)\n(?:.*\n)*?---\n")  # of a model card on the hub


@dataclass(frozen=True)
class Notes:
    """A description, from tailor.json or a file's metadata, and the text of a license, or its name."""

    description: str = ""
    license: str | None = None


def notes_of(checkpoint: Checkpoint) -> Notes:
    """Return what lies beside a checkpoint's weights, or else stands in a single file's metadata (ModelSpec)."""
    folder, metadata = checkpoint.notes, checkpoint.metadata
    title = " ".join(filter(None, (metadata.get(f"modelspec.{name}") for name in ("title", "description"))))
    return Notes(
        description=_description(folder / "tailor.json") or title,
        license=_license(folder) or metadata.get("modelspec.license"),
    )


def _description(path: Path) -> str:
    return str(json.loads(path.read_text()).get("description", "")) if path.is_file() else ""


def _license(folder: Path) -> str | None:
    for name in _LICENSES:
        if (folder / name).is_file():
            return (folder / name).read_text(errors="replace")[:MOST_CHARS]
    card = folder / "README.md"
    named = _FRONT_MATTER.match(card.read_text(errors="replace")) if card.is_file() else None
    return named[1].strip() if named else None
