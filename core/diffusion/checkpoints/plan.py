"""What loading a checkpoint will take, said before it is loaded: what it is, its number types, its memory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from core.diffusion.checkpoints.checkpoint import Checkpoint, Dtypes
from core.diffusion.checkpoints.errors import CheckpointError, ModelTooLargeError
from core.diffusion.checkpoints.find import find_checkpoint
from core.diffusion.checkpoints.notes import notes_of
from core.diffusion.devices import auto_dtype, free_bytes, pick_device

GIB = 2**30
_DTYPES = {"float64": torch.float64, "float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class LoadPlan:
    """A checkpoint, and where and in which numbers its parts will be."""

    location: str
    checkpoint: Checkpoint
    device: torch.device
    dtypes: Dtypes

    @property
    def weight_bytes(self) -> int:
        """What the weights will take on the device."""
        return sum(self._part_bytes().values())

    def check_fits(self) -> None:
        """Raise ModelTooLargeError when the weights don't fit into the memory that is free now."""
        free = free_bytes(self.device)
        if self.weight_bytes > free:
            raise ModelTooLargeError(f"{self.location} does not fit: {self._memory(free)}")

    def lines(self) -> list[str]:
        """Return what people should know, a line each; the same words in a worker's log and on a terminal."""
        configs, schedule, notes = self.checkpoint.configs, self.checkpoint.schedule(), notes_of(self.checkpoint)
        size = configs.json("unet/config.json").get("sample_size", 0)
        factor = 2 ** (len(configs.json("vae/config.json").get("block_out_channels", [0])) - 1)
        about = [
            f"{self.checkpoint.family.full_name}, {'one file' if self.checkpoint.place.is_file() else 'a folder'}",
            f"pictures of {size * factor} pixels a side",
            f"it predicts {'the noise' if schedule.prediction_type == 'epsilon' else 'v'}",
        ]
        lines = [", ".join(about), f"weights: {self._memory(free_bytes(self.device))}"]
        if notes.license:
            lines.append(f"license: {notes.license.strip().splitlines()[0][:200]}")
        return lines

    def _memory(self, free: int) -> str:
        numbers = {
            "unet": self.dtypes.unet,
            "vae": self.dtypes.vae,
            **dict.fromkeys(("text_encoder", "text_encoder_2"), self.dtypes.text_encoder),
        }
        parts = [
            f"{part} {size / GIB:.2f} in {str(numbers[part]).removeprefix('torch.')}"
            for part, size in self._part_bytes().items()
        ]
        total = f"{self.weight_bytes / GIB:.2f} GiB ({', '.join(parts)})"
        return f"{total}; {self.device.type} has {free / GIB:.2f} GiB free, and calls need some of it, too"

    def _part_bytes(self) -> dict[str, int]:
        sizes = {"unet": self.dtypes.unet.itemsize, "vae": self.dtypes.vae.itemsize}
        elements = self.checkpoint.elements()
        return {part: n * sizes.get(part, self.dtypes.text_encoder.itemsize) for part, n in elements.items()}


def plan_for(location: str, *, device: str = "auto", dtype: str = "auto", cache_dir: Path | None = None) -> LoadPlan:
    """Return how a location will be loaded; CheckpointError, or DeviceMissingError for a GPU that can't be used."""
    place = pick_device(device)
    if dtype != "auto" and dtype not in _DTYPES:
        raise CheckpointError(f"dtype is {dtype!r}; it must be auto or one of {', '.join(_DTYPES)}")
    number_type = auto_dtype(place) if dtype == "auto" else _DTYPES[dtype]
    if number_type == torch.float64 and place.type == "mps":
        raise CheckpointError("dtype is float64, which Apple's GPUs lack")
    checkpoint = find_checkpoint(location, cache_dir)
    return LoadPlan(location, checkpoint, place, dtypes_for(checkpoint, number_type))


def dtypes_for(checkpoint: Checkpoint, dtype: torch.dtype) -> Dtypes:
    """Return the number types of the parts when the UNet's is `dtype`.

    What runs once per job is float32 whenever that is less. Most VAEs overflow in float16; one whose config says that
    it does not (`force_upcast` false) runs in it.
    """
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    overflows = checkpoint.configs.json("vae/config.json").get("force_upcast", True)
    return Dtypes(unet=dtype, text_encoder=wide, vae=wide if overflows or dtype != torch.float16 else dtype)
