"""What is decided for GPUs, on stand-ins for what torch says of them: number types, memory, what does not fit.

Nobody has run it on an Apple GPU yet.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from core.diffusion import devices
from core.diffusion.backbone import load_backbone
from core.diffusion.checkpoints import CheckpointError
from core.diffusion.checkpoints.checkpoint import Dtypes
from core.diffusion.checkpoints.errors import ModelTooLargeError
from core.diffusion.checkpoints.plan import LoadPlan, dtypes_for, plan_for
from core.diffusion.devices import DeviceMissingError, auto_dtype, free_bytes, pick_device
from tests.support.checkpoints import write_checkpoint

CPU, CUDA, MPS = torch.device("cpu"), torch.device("cuda"), torch.device("mps")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_checkpoint(tmp_path / "xl", kind="sdxl")


@pytest.fixture
def mac(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A Mac: no CUDA, an Apple GPU."""
    monkeypatch.setattr(devices, "nvidia_devices", list)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.backends.mps, "is_built", lambda: True)
    return monkeypatch


def test_auto_is_an_apple_gpu_where_there_is_one(mac: pytest.MonkeyPatch) -> None:
    assert pick_device("auto") == MPS
    assert pick_device("mps") == MPS
    assert pick_device("cpu") == CPU
    mac.setattr(torch.backends.mps, "is_available", lambda: False)
    assert pick_device("auto") == CPU


def test_a_missing_apple_gpu_is_an_error_when_it_was_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DeviceMissingError, match="this build of torch is without MPS"):
        pick_device("mps")
    monkeypatch.setattr(torch.backends.mps, "is_built", lambda: True)
    with pytest.raises(DeviceMissingError, match="its macOS is too old"):
        pick_device("mps")


def test_a_gpu_computes_in_bfloat16_or_in_float16_where_it_lacks_that(monkeypatch: pytest.MonkeyPatch) -> None:
    for has, wanted in ((True, torch.bfloat16), (False, torch.float16)):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda has=has, **_: has)
        monkeypatch.setattr(torch.backends.mps, "is_macos_or_newer", lambda *_, has=has: has)
        assert [auto_dtype(device) for device in (CPU, CUDA, MPS)] == [torch.float32, wanted, wanted]


def test_apple_gpus_have_no_float64(mac: pytest.MonkeyPatch) -> None:
    with pytest.raises(CheckpointError, match="float64, which Apple's GPUs lack"):
        plan_for("anything", dtype="float64")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("safe", [False, True])
def test_only_the_unet_and_a_vae_that_is_safe_there_are_less_than_float32(
    tmp_path: Path, dtype: torch.dtype, safe: bool
) -> None:
    plan = plan_for(str(write_checkpoint(tmp_path / "m", kind="sdxl", force_upcast=not safe)), device="cpu")
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    vae = torch.float16 if safe and dtype == torch.float16 else wide
    assert dtypes_for(plan.checkpoint, dtype) == Dtypes(unet=dtype, text_encoder=wide, vae=vae)


def test_free_memory_is_what_the_system_says_of_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    shares = iter((1.0, 0.5))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (7, 10))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: 2)
    monkeypatch.setattr(torch.cuda, "get_per_process_memory_fraction", lambda _: next(shares))
    monkeypatch.setattr(torch.mps, "recommended_max_memory", lambda: 9)
    monkeypatch.setattr(torch.mps, "driver_allocated_memory", lambda: 4)
    assert (free_bytes(CUDA), free_bytes(CUDA), free_bytes(MPS)) == (7, 3, 5)


def test_a_containers_limit_is_the_memory_of_the_cpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = free_bytes(CPU)
    monkeypatch.setattr(devices, "CGROUP", tmp_path)
    assert free_bytes(CPU) == pytest.approx(whole, rel=0.5)
    for name, text in (("memory.max", "max\n"), ("memory.current", "900\n"), ("memory.stat", "inactive_file 100\n")):
        (tmp_path / name).write_text(text)
    assert free_bytes(CPU) > 10_000
    (tmp_path / "memory.max").write_text("1000\n")
    assert free_bytes(CPU) == 200  # what is cached of files makes room


def test_weights_that_do_not_fit_say_so_before_they_are_loaded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[LoadPlan] = []
    monkeypatch.setattr("core.diffusion.checkpoints.plan.free_bytes", lambda _: 1000)
    monkeypatch.setattr("core.diffusion.checkpoints.folder.FolderCheckpoint.load", lambda *_: pytest.fail("loaded"))
    with pytest.raises(ModelTooLargeError, match=r"does not fit: .*unet .* in bfloat16.*cpu has 0\.00 GiB free"):
        load_backbone(str(folder), name="xl", device="cpu", dtype="bfloat16", told=heard.append)
    assert heard[0].weight_bytes > 1000


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_plans_bytes_are_those_that_the_weights_take(folder: Path, dtype: str) -> None:
    plans: list[LoadPlan] = []
    backbone = load_backbone(str(folder), name="xl", device="cpu", dtype=dtype, told=plans.append)
    assert plans[0].weight_bytes == pytest.approx(backbone.memory_bytes, rel=0.01)
