"""How tensors and pictures become bytes: safetensors and PNG, never a pickle."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from core.errors import InvalidInputError
from core.models.tail_file import TailMetadata


@dataclass(frozen=True, eq=False)
class TailTensors:
    """A tail (n, D) and its beginning: the last n vectors of the source prompt's own encoding, if they are known."""

    tail: Tensor
    source_tail: Tensor | None = None


def save_tensors(tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> bytes:
    """Return a safetensors file."""
    return save({name: tensor.contiguous() for name, tensor in tensors.items()}, metadata)


def load_tensors(data: bytes) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file; ValueError when it is none."""
    try:
        return load(data)
    except SafetensorError as error:
        raise ValueError(f"no safetensors file: {error}") from error


def save_tail(tensors: TailTensors, metadata: TailMetadata) -> bytes:
    """Return a tail file."""
    named = {"tail": tensors.tail, "source_tail": tensors.source_tail}
    return save_tensors({name: tensor for name, tensor in named.items() if tensor is not None}, metadata.as_text())


def load_tail(data: bytes, *, width: int) -> TailTensors:
    """Return what a tail file of any version holds; raises InvalidInputError when it isn't one of this width."""
    named = load(data)
    tail, source_tail = named.get("tail"), named.get("source_tail")
    if tail is None or tail.ndim != 2 or tail.shape[1] != width or not bool(torch.isfinite(tail).all()):
        raise InvalidInputError("tail_id", f"the tail's file does not hold a finite tail of width {width}")
    if source_tail is not None and source_tail.shape != tail.shape:
        raise InvalidInputError("tail_id", "the tail's file holds a tail and a source_tail of different shapes")
    return TailTensors(tail, source_tail)


def sha256_of(tensor: Tensor) -> str:
    """Return the SHA-256 of a tensor's values, as 64 hexadecimal digits."""
    return hashlib.sha256(tensor.contiguous().numpy().tobytes()).hexdigest()


def to_tensor(image: Image.Image) -> Tensor:
    """Return an RGB picture as (3, H, W) in -1..1, float32."""
    pixels = torch.from_numpy(np.asarray(image, dtype=np.float32).copy())
    return pixels.permute(2, 0, 1) / 127.5 - 1


def to_image(tensor: Tensor) -> Image.Image:
    """Return (3, H, W) in -1..1 as an RGB picture, rounded to 8 bits."""
    pixels = ((tensor.clamp(-1, 1) + 1) * 127.5).round().byte()
    return Image.fromarray(pixels.permute(1, 2, 0).numpy())
