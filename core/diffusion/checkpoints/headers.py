"""What a safetensors file says of itself, without reading its weights."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from pathlib import Path

from safetensors import SafetensorError, safe_open

from core.diffusion.checkpoints.errors import CheckpointError

_PICKLES = (".ckpt", ".pt", ".pth", ".bin")


@dataclass(frozen=True)
class Header:
    """The shapes of a file's tensors by name, and its metadata."""

    shapes: Mapping[str, tuple[int, ...]]
    metadata: Mapping[str, str] = field(default_factory=dict)

    def elements(self, *prefixes: str) -> int:
        """Return how many numbers the tensors hold whose names begin with one of the prefixes."""
        return sum(prod(shape) for name, shape in self.shapes.items() if name.startswith(prefixes))


def read_header(path: Path) -> Header:
    """Return a safetensors file's header; CheckpointError when it is none, or another kind of file."""
    refuse_pickle(path)
    try:
        with safe_open(path, "pt") as file:
            names = list(file.keys())
            return Header({name: tuple(file.get_slice(name).get_shape()) for name in names}, file.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is no safetensors file: {error}") from error


def refuse_pickle(path: Path) -> None:
    """Raise a CheckpointError for a file that may run code of its author's when it is read."""
    if path.suffix.lower() in _PICKLES:
        raise CheckpointError(
            f"{path} is pickled ({path.suffix}), and reading a pickle may run whatever its author wants: "
            "only .safetensors are read; most model sites offer one, else convert it where that does no harm"
        )


def sha256_of(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
