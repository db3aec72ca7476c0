"""Finds the checkpoint that a location names: a folder, a file or a hub name, and what is merged into it."""

from __future__ import annotations

import re
from pathlib import Path

from huggingface_hub import snapshot_download

from core.diffusion.checkpoints.adapters import MergedCheckpoint
from core.diffusion.checkpoints.checkpoint import Checkpoint
from core.diffusion.checkpoints.errors import CheckpointError
from core.diffusion.checkpoints.family import Family
from core.diffusion.checkpoints.folder import STEMS, FolderCheckpoint, config_patterns
from core.diffusion.checkpoints.headers import refuse_pickle
from core.diffusion.checkpoints.single_file import SingleFileCheckpoint
from core.models.location import ModelLocation

_HUB_NAME = re.compile(r"[\w-][\w.-]*/[\w.-]+")


def find_checkpoint(location: str, cache_dir: Path | None = None) -> Checkpoint:
    """Return the checkpoint of a location, as `core/models/location.py` reads it.

    A hub name (`owner/name`) is downloaded into the cache once. A CheckpointError says what was tried.
    """
    try:
        wanted = ModelLocation.parse(location)
    except ValueError as error:
        raise CheckpointError(str(error)) from error
    base = _base(wanted.base, cache_dir)
    return MergedCheckpoint(base, wanted.adapters) if wanted.adapters else base


def _base(location: str, cache_dir: Path | None) -> Checkpoint:
    path = Path(location).expanduser()
    if path.is_dir():
        return FolderCheckpoint(path)
    if path.is_file():
        return SingleFileCheckpoint(path)
    refuse_pickle(path)
    if path.suffix == ".safetensors" or not _HUB_NAME.fullmatch(location):
        raise CheckpointError(f"{location!r} is neither a folder, nor a file, nor a hub name like owner/name")
    try:
        return FolderCheckpoint(_download(location, cache_dir))
    except CheckpointError:
        raise
    except Exception as error:  # the hub client raises errors of its own, of its HTTP client and of the system
        raise CheckpointError(
            f"{location!r} is no folder here, and the hub did not give it: {type(error).__name__}: {error}"
        ) from error


def _download(name: str, cache_dir: Path | None) -> Path:
    """Fetch the plain safetensors of each part, or the fp16 ones where there are no plain ones."""
    parts = Family.SDXL.parts  # what a smaller family lacks is not there to be fetched
    configs = ["model_index.json", *config_patterns(parts)]
    folder = Path()
    for infix in ("", ".fp16"):
        missing = [part for part in parts if not any((folder / part).glob("*.safetensors"))]
        weights = [f"{part}/{STEMS[part]}{infix}.safetensors" for part in missing]
        weights += [f"{part}/{STEMS[part]}{infix}-*.safetensors" for part in missing]
        weights += [f"{part}/{STEMS[part]}.safetensors.index{infix}.json" for part in missing]
        folder = Path(snapshot_download(name, cache_dir=cache_dir, allow_patterns=[*configs, *weights]))
    return folder
