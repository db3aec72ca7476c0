"""Which device computes, and in which numbers; a GPU that torch can't use is an error, never silently the CPU."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path

import psutil
import torch

from core.errors import TailorError

CGROUP = Path("/sys/fs/cgroup")
_NONE_VISIBLE = ("", "-1", "none", "void", "nodevfiles")
log = logging.getLogger(__name__)


class DeviceMissingError(TailorError):
    """The device that is to compute isn't there, or torch can't use it."""

    status, type, title = 503, "device-missing", "Device missing"


def pick_device(name: str) -> torch.device:
    """Return the device of a name; `auto` is CUDA where torch can use it, else an Apple GPU (MPS), else the CPU.

    Raises DeviceMissingError when that is CUDA or MPS by name, or CUDA as `auto` on a machine that has NVIDIA devices,
    and torch can't use it.
    """
    if name == "mps" and not torch.backends.mps.is_available():
        why = "its macOS is too old" if torch.backends.mps.is_built() else "this build of torch is without MPS"
        raise DeviceMissingError(f"device is mps, but {why}: set TAILOR_DEVICE=cpu to compute on the CPU")
    if name != "auto" and not name.startswith("cuda"):
        return torch.device(name)
    if torch.cuda.is_available():
        leave_cudnn_attention_out()
        return torch.device("cuda" if name == "auto" else name)
    found = nvidia_devices()
    built: bool = torch.backends.cuda.is_built()  # type: ignore[no-untyped-call]  # torch
    if name == "auto" and not (built and found):
        if found:
            log.warning("device.unused found=%s: this build of torch is without CUDA", ", ".join(found))
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    why = "torch finds none that it can use" if built else "this build of torch is without CUDA"
    raise DeviceMissingError(
        f"device is {name} and the machine has {', '.join(found) or 'no NVIDIA device'}, but {why}: "
        "see nvidia-smi, or set TAILOR_DEVICE=cpu to compute on the CPU"
    )


def leave_cudnn_attention_out() -> None:
    """Leave attention on CUDA to flash and memory-efficient kernels: cuDNN's may make NaN of a tail's gradient.

    On Hopper GPUs, where it goes first since torch 2.11, it does so for some lengths (cudnn-frontend 160 and 1072, with
    masks pytorch 196678); forwards nothing is wrong.
    """
    torch.backends.cuda.enable_cudnn_sdp(False)


def auto_dtype(device: torch.device) -> torch.dtype:
    """Return the numbers that suit a device: float32 on the CPU; on a GPU bfloat16, or float16 where it lacks that.

    bfloat16 has float32's range: no loss has to be scaled, and no attention overflows. Apple's has it from macOS 14 on.
    """
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    if device.type == "mps":
        return torch.bfloat16 if torch.backends.mps.is_macos_or_newer(14, 0) else torch.float16
    return torch.float32


def free_bytes(device: torch.device) -> int:
    """Return what new weights may take of a device's memory now: of this process' share, or of a container's limit.

    What torch holds in reserve on a GPU is not counted.
    """
    if device.type == "cuda":
        unused, total = torch.cuda.mem_get_info(device)
        share = torch.cuda.get_per_process_memory_fraction(device.index)  # it takes no device without a number
        return min(unused, int(share * total) - torch.cuda.memory_reserved(device))
    if device.type == "mps":  # it shares the machine's memory, and the system says how much of it is for the GPU
        return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
    available = int(psutil.virtual_memory().available)
    return min(available, *_container_room(CGROUP), available)


def _container_room(group: Path) -> list[int]:
    """Return what a control group (version 2) leaves this container, as a list of one; none without a limit."""
    try:
        most, used = ((group / name).read_text().strip() for name in ("memory.max", "memory.current"))
        stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        return [] if most == "max" else [int(most) - int(used) + int(stat.get("inactive_file", 0))]
    except (OSError, ValueError):
        return []


def nvidia_devices(dev: Path = Path("/dev"), environ: Mapping[str, str] = os.environ) -> list[str]:
    """Return what says that this process has NVIDIA devices: their device files, or CUDA_VISIBLE_DEVICES.

    CUDA_VISIBLE_DEVICES hides them when it names none. /proc/driver/nvidia is not asked: a container sees its host's
    there, whether it was given them or not; a device that fell off the bus keeps its device file.
    """
    visible = environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return sorted(str(path) for path in dev.glob("nvidia[0-9]*"))
    return [] if visible.strip().lower() in _NONE_VISIBLE else [f"CUDA_VISIBLE_DEVICES={visible.strip()}"]
