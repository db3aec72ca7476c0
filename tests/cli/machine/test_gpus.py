"""The GPUs of a machine, from what the driver's tools and files say: there is none where the tests run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cli.machine import gpus
from cli.machine.gpus import driver_gpus, listed_gpus, usable_gpus, visible_gpus

TWO = """\
GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-0a1b2c3d-0000-1111-2222-333344445555)
GPU 1: NVIDIA H100 80GB HBM3 (UUID: GPU-9a8b7c6d-0000-1111-2222-333344445555)
"""
DIVIDED = """\
GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-5c89852c-d268-c3f3-1b07-005d5ae1dc3f)
  MIG 3g.20gb     Device  0: (UUID: MIG-7089d0f3-293f-58c9-8f8c-5ea666eedbde)
  MIG 3g.20gb     Device  1: (UUID: MIG-56c30729-347f-5dd6-8da0-c3cc59e969e0)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-ffe2e9a5-1a31-4d1d-a7d2-c4ae4f8f4b0e)
"""
INFORMATION = "Model: \t\t NVIDIA T4\nIRQ:   \t\t 45\nGPU UUID: \t {uuid}\nBus Location: \t 0000:3b:00.0\n"


def driver(folder: Path, *uuids: str) -> Path:
    """The kernel driver's folder for GPUs with these UUIDs."""
    for number, uuid in enumerate(uuids):
        (folder / f"0000:{number:02}:00.0").mkdir()
        (folder / f"0000:{number:02}:00.0" / "information").write_text(INFORMATION.format(uuid=uuid))
    return folder


def test_every_listed_gpu_is_named_by_its_uuid() -> None:
    assert listed_gpus(TWO) == [f"GPU-{start}-0000-1111-2222-333344445555" for start in ("0a1b2c3d", "9a8b7c6d")]


def test_a_divided_gpu_gives_its_parts_and_never_the_whole() -> None:
    assert listed_gpus(DIVIDED) == [
        "MIG-7089d0f3-293f-58c9-8f8c-5ea666eedbde",
        "MIG-56c30729-347f-5dd6-8da0-c3cc59e969e0",
        "GPU-ffe2e9a5-1a31-4d1d-a7d2-c4ae4f8f4b0e",
    ]


@pytest.mark.parametrize(
    "listing", ["", "No devices found.\n", "NVIDIA-SMI has failed because it couldn't communicate"]
)
def test_a_listing_without_gpus(listing: str) -> None:
    assert listed_gpus(listing) == []


def test_the_driver_s_files_name_gpus_where_the_tool_is_missing(tmp_path: Path) -> None:
    assert driver_gpus(driver(tmp_path, "GPU-aa11", "GPU-bb22")) == ["GPU-aa11", "GPU-bb22"]
    assert driver_gpus(tmp_path / "none") == []


def test_gpus_are_numbered_when_one_hides_its_uuid(tmp_path: Path) -> None:
    assert driver_gpus(driver(tmp_path, "GPU-aa11", "GPU-????????-????-????")) == ["0", "1"]


@pytest.mark.parametrize(
    ("variable", "visible"),
    [
        ("0,1", ["0", "1"]),
        (" 1 , 0 ", ["1", "0"]),
        ("GPU-a", ["GPU-a"]),
        ("MIG-7089,MIG-GPU-5c89/1/0", ["MIG-7089", "MIG-GPU-5c89/1/0"]),
        ("", []),
        ("-1", []),
        ("0,-1,1", ["0"]),  # as for CUDA
        ("0,2,1", ["0"]),  # there is no third
        ("1,1", ["1"]),
        ("none", []),
    ],
)
def test_the_variable_says_which_are_visible(variable: str, visible: list[str]) -> None:
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": variable}, ["GPU-a", "GPU-b"]) == visible


def test_without_the_variable_all_are_visible_and_with_it_none_that_is_not_there() -> None:
    assert visible_gpus({}, ["GPU-a", "GPU-b"]) == ["GPU-a", "GPU-b"]
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": "0,1"}, []) == []
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": "GPU-a"}, []) == []


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with one GPU in the driver's files, an empty PATH and a torch with CUDA; returns its PATH's folder."""
    tools, files = tmp_path / "tools", tmp_path / "driver"
    tools.mkdir()
    files.mkdir()
    monkeypatch.setenv("PATH", str(tools))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(gpus, "DRIVER", driver(files, "GPU-aa11"))
    monkeypatch.setattr(gpus, "version", lambda _: "2.13.0")
    return tools


def tool(folder: Path, script: str) -> None:
    """A program that answers as `nvidia-smi`."""
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def test_the_tool_is_asked_first(machine: Path) -> None:
    tool(machine, f'[ "$*" = -L ] && echo "{TWO}"')
    assert usable_gpus() == listed_gpus(TWO)


def test_a_tool_that_fails_is_no_machine_without_gpus(machine: Path) -> None:
    tool(machine, f'echo "{TWO}"; exit 9')
    assert usable_gpus() == ["GPU-aa11"]


def test_a_tool_that_hangs_is_given_up(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus, "LISTING_TIMEOUT_S", 0.1)
    tool(machine, "while :; do :; done")
    assert usable_gpus() == ["GPU-aa11"]


def test_a_torch_for_the_cpu_uses_no_gpu(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool(machine, f'echo "{TWO}"')
    monkeypatch.setattr(gpus, "version", lambda _: "2.13.0+cpu")
    assert usable_gpus() == []


def test_the_environment_is_this_process_own(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool(machine, f'echo "{TWO}"')
    monkeypatch.setitem(os.environ, "CUDA_VISIBLE_DEVICES", "1")
    assert usable_gpus() == ["1"]
