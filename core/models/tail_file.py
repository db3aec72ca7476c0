"""What a tail file says of its tail: where it comes from, and how it is used, with or without a server."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import ValidationError
from safetensors import SafetensorError, deserialize

from core.models.parameters import EditParams
from core.record import Record

FORMAT_VERSION = 1
MOST_POSITIONS = 32
NAMES = ("tail", "source_tail")


class TailMetadata(Record):
    """The metadata of a tail file (safetensors), which holds text only: numbers stand there as text.

    Beside it the file has `tail` (n, D) and `source_tail` (n, D), the last vectors of the source prompt's own encoding,
    which a residual tail is used with. What is None the file does not say; files of version 0 have the first four only.
    """

    format_version: int = 0
    tail_id: str = ""
    model: str = ""
    model_hash: str = ""
    prompt: str = ""
    recipe: str | None = None
    tail_mode: Literal["replace", "residual"] | None = None
    tail_scale: float | None = None
    guidance_scale: float | None = None
    num_inference_steps: int | None = None
    sampler: Literal["ddim", "dpmpp_2m"] | None = None
    scheduler: str | None = None
    """The class of diffusers that samples as `sampler` does."""
    scheduler_config: str | None = None
    """A JSON object: what has to be set of that class beside the model's own noise schedule."""

    def as_text(self) -> dict[str, str]:
        """Return what is to be written into the file."""
        return {name: str(value) for name, value in self if value is not None}

    def usage(self, base: EditParams) -> EditParams:
        """Return how the tail is used: as the file says, and where it says nothing as `base` does.

        Raises pydantic's ValidationError for what no edit may have.
        """
        told = self.model_dump(include=set(EditParams.model_fields), exclude_none=True)
        return EditParams.model_validate(base.model_dump() | told)


@dataclass(frozen=True)
class TailFile:
    """What a tail file that somebody sent holds; `tail` are the bytes of its values."""

    metadata: TailMetadata
    positions: int
    width: int
    tail: bytes
    has_source_tail: bool


def read_tail_file(data: bytes) -> TailFile:
    """Read a tail file from a stranger; ValueError says what is wrong with it. Nothing in it is ever run.

    What it holds beside the two tensors, a type other than float32, or a number that isn't finite is refused.
    """
    try:
        tensors = dict(deserialize(data))  # type: ignore[no-untyped-call]
    except SafetensorError as error:
        raise ValueError(f"it is no safetensors file: {error}") from None
    if unknown := tensors.keys() - set(NAMES):
        raise ValueError(f"it holds {sorted(unknown)[0][:50]!r}; a tail file has tail and source_tail only")
    if "tail" not in tensors:
        raise ValueError("it holds no tensor 'tail'")
    shapes = {name: _checked_shape(name, tensor) for name, tensor in tensors.items()}
    if len(set(shapes.values())) > 1:
        raise ValueError(f"tail is {list(shapes['tail'])} and source_tail {list(shapes['source_tail'])}")
    positions, width = shapes["tail"]
    return TailFile(_metadata(data), positions, width, bytes(tensors["tail"]["data"]), "source_tail" in tensors)


def _checked_shape(name: str, tensor: dict[str, Any]) -> tuple[int, int]:
    """Return (n, D) of one of its tensors."""
    shape, dtype = tensor["shape"], tensor["dtype"]
    if dtype != "F32":
        raise ValueError(f"{name} is {dtype}; it must be F32")
    if not isinstance(shape, list) or len(shape) != 2 or not 1 <= shape[0] <= MOST_POSITIONS:
        raise ValueError(f"{name} is {shape}; it must be (n, D) with n from 1 to {MOST_POSITIONS}")
    if not np.isfinite(np.frombuffer(bytes(tensor["data"]), "<f4")).all():
        raise ValueError(f"{name} holds numbers that are not finite")
    return shape[0], shape[1]


def _metadata(data: bytes) -> TailMetadata:
    """Return the metadata of a file that safetensors can read: a length, then a JSON header."""
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    try:
        metadata = TailMetadata.model_validate(header.get("__metadata__", {}))
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"its metadata's {first['loc'][0]}: {first['msg']}") from None
    if metadata.format_version > FORMAT_VERSION:
        raise ValueError(
            f"it is of format version {metadata.format_version}; {FORMAT_VERSION} is the newest known here"
        )
    return metadata
