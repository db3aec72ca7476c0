"""Which device `auto` is. The machine's devices and torch's answers are stand-ins."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from core.diffusion import devices
from core.diffusion.backbone import load_backbone
from core.diffusion.devices import DeviceMissingError, nvidia_devices, pick_device


@pytest.fixture
def dev(tmp_path: Path) -> Path:
    for name in ("null", "nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"):
        (tmp_path / name).touch()
    return tmp_path


def machine(patch: pytest.MonkeyPatch, *, has: list[str], usable: bool, built: bool = True) -> None:
    patch.setattr(devices, "nvidia_devices", lambda: has)
    patch.setattr(torch.cuda, "is_available", lambda: usable)
    patch.setattr(torch.backends.cuda, "is_built", lambda: built)


def test_the_machines_devices_are_its_device_files(dev: Path, tmp_path: Path) -> None:
    assert nvidia_devices(dev, {}) == [f"{dev}/nvidia0", f"{dev}/nvidia1"]
    assert nvidia_devices(tmp_path / "empty", {}) == []


@pytest.mark.parametrize("hidden", ["", " ", "-1", "NoDevFiles", "none", "void"])
def test_cuda_visible_devices_hides_them(dev: Path, hidden: str) -> None:
    assert nvidia_devices(dev, {"CUDA_VISIBLE_DEVICES": hidden}) == []


@pytest.mark.parametrize("named", ["0", "1,0", "GPU-8932f937-d72c-4106-c12f-20bd9faed9f6", "MIG-1"])
def test_cuda_visible_devices_names_them_even_when_their_files_are_gone(tmp_path: Path, named: str) -> None:
    assert nvidia_devices(tmp_path, {"CUDA_VISIBLE_DEVICES": named}) == [f"CUDA_VISIBLE_DEVICES={named}"]


def test_auto_is_cuda_where_torch_can_use_it_and_the_cpu_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, has=["/dev/nvidia0"], usable=True)
    assert pick_device("auto") == torch.device("cuda")
    machine(monkeypatch, has=[], usable=False)
    assert pick_device("auto") == torch.device("cpu")


def test_on_cuda_attention_is_not_left_to_cudnn_whose_gradients_are_nan_at_times(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    request.addfinalizer(lambda: torch.backends.cuda.enable_cudnn_sdp(True))
    torch.backends.cuda.enable_cudnn_sdp(True)
    machine(monkeypatch, has=[], usable=False)
    pick_device("auto")
    assert torch.backends.cuda.cudnn_sdp_enabled(), "the CPU has nothing to do with it"
    machine(monkeypatch, has=["/dev/nvidia0"], usable=True)
    pick_device("auto")
    assert not torch.backends.cuda.cudnn_sdp_enabled()
    assert torch.backends.cuda.flash_sdp_enabled()
    assert torch.backends.cuda.mem_efficient_sdp_enabled()


def test_a_gpu_that_is_lost_is_an_error_before_anything_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, has=["/dev/nvidia0"], usable=False)
    with pytest.raises(DeviceMissingError, match=r"has /dev/nvidia0, but torch finds none.*TAILOR_DEVICE=cpu"):
        load_backbone("no folder at all", name="lost")


def test_who_wants_the_cpu_gets_it_whatever_the_machine_has(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, has=["/dev/nvidia0"], usable=False)
    assert pick_device("cpu") == torch.device("cpu")


def test_a_torch_without_cuda_was_chosen_so_auto_is_the_cpu_and_the_log_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    machine(monkeypatch, has=["/dev/nvidia0"], usable=False, built=False)
    assert pick_device("auto") == torch.device("cpu")
    assert "device.unused found=/dev/nvidia0" in caplog.text


@pytest.mark.parametrize("name", ["cuda", "cuda:1"])
def test_cuda_by_name_is_an_error_without_it(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    machine(monkeypatch, has=[], usable=False, built=False)
    with pytest.raises(DeviceMissingError, match=f"device is {name} and the machine has no NVIDIA device"):
        pick_device(name)
