"""Which device computes; a GPU that the machine has and torch can't use is an error, never silently the CPU."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path

import torch

from core.errors import TailorError

_NONE_VISIBLE = ("", "-1", "none", "void", "nodevfiles")
log = logging.getLogger(__name__)


class DeviceMissingError(TailorError):
    """The device that is to compute isn't there, or torch can't use it."""

    status, type, title = 503, "device-missing", "Device missing"


def pick_device(name: str) -> torch.device:
    """Return the device of a name; `auto` is CUDA where torch can use it, and else the CPU.

    Raises DeviceMissingError when that is CUDA, by name or as `auto` on a machine that has NVIDIA devices, and torch
    can't use it.
    """
    if name != "auto" and not name.startswith("cuda"):
        return torch.device(name)
    if torch.cuda.is_available():
        return torch.device("cuda" if name == "auto" else name)
    found = nvidia_devices()
    built: bool = torch.backends.cuda.is_built()  # type: ignore[no-untyped-call]  # torch
    if name == "auto" and not (built and found):
        if found:
            log.warning("device.unused found=%s: this build of torch is without CUDA", ", ".join(found))
        return torch.device("cpu")
    why = "torch finds none that it can use" if built else "this build of torch is without CUDA"
    raise DeviceMissingError(
        f"device is {name} and the machine has {', '.join(found) or 'no NVIDIA device'}, but {why}: "
        "see nvidia-smi, or set TAILOR_DEVICE=cpu to compute on the CPU"
    )


def nvidia_devices(dev: Path = Path("/dev"), environ: Mapping[str, str] = os.environ) -> list[str]:
    """Return what says that this process has NVIDIA devices: their device files, or CUDA_VISIBLE_DEVICES.

    CUDA_VISIBLE_DEVICES hides them when it names none. /proc/driver/nvidia is not asked: a container sees its host's
    there, whether it was given them or not; a device that fell off the bus keeps its device file.
    """
    visible = environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return sorted(str(path) for path in dev.glob("nvidia[0-9]*"))
    return [] if visible.strip().lower() in _NONE_VISIBLE else [f"CUDA_VISIBLE_DEVICES={visible.strip()}"]
