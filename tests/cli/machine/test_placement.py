"""What each of several workers on a machine gets, and that `tailor up` gives it to them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cli import up
from cli.machine.placement import Placement, placements
from cli.up import Stack, UpError, UpOptions
from core.config import Settings


def settings(**given: object) -> Settings:
    return Settings(_env_file=None, **given)  # type: ignore[arg-type]


def test_a_worker_a_gpu_by_default_and_the_cpus_divided() -> None:
    assert placements(settings(), ["GPU-a", "GPU-b"], 8, None) == [
        Placement("GPU-a", threads=4),
        Placement("GPU-b", threads=4),
    ]


def test_one_worker_with_everything_where_there_is_no_gpu() -> None:
    assert placements(settings(), [], 8, None) == [Placement()]


def test_fewer_workers_than_gpus_leave_some_alone() -> None:
    assert placements(settings(), ["GPU-a", "GPU-b"], 8, 1) == [Placement("GPU-a")]


def test_more_workers_than_gpus_share_them_and_divide_their_memory() -> None:
    placed = placements(settings(), ["GPU-a", "GPU-b"], 9, 3)
    assert [(p.gpu, p.memory_share) for p in placed] == [("GPU-a", 0.5), ("GPU-b", 1.0), ("GPU-a", 0.5)]


def test_they_divide_no_more_than_the_setting_allows() -> None:
    placed = placements(settings(gpu_memory_share=0.5), ["GPU-a"], 8, 2)
    assert [p.memory_share for p in placed] == [0.25, 0.25]


def test_several_workers_without_a_gpu_divide_the_cpus_but_each_has_one() -> None:
    assert placements(settings(), [], 2, 3) == [Placement(threads=1)] * 3


def test_threads_that_were_set_are_left_alone() -> None:
    assert placements(settings(threads=6), [], 8, 2) == [Placement(threads=6)] * 2


@pytest.mark.parametrize("device", ["cpu", "cuda:1"])
def test_a_device_that_was_chosen_is_left_alone(device: str) -> None:
    assert placements(settings(device=device), ["GPU-a", "GPU-b"], 8, None) == [Placement()]


def test_the_environment_of_a_worker_is_made_of_settings() -> None:
    environment = Placement("GPU-a", memory_share=1 / 3, threads=2).environment
    assert environment.pop("CUDA_VISIBLE_DEVICES") == "GPU-a"
    assert environment == {"TAILOR_GPU_MEMORY_SHARE": "0.3333", "TAILOR_THREADS": "2"}
    assert {name.removeprefix("TAILOR_").lower() for name in environment} <= set(Settings.model_fields)
    assert Placement().environment == {}


def test_up_starts_a_worker_for_each_gpu_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(up, "usable_gpus", lambda: ["GPU-a", "MIG-b"])
    said: list[str] = []
    stack = Stack(UpOptions(tmp_path, port=0, workers=None), 0, said.append, lambda _name, _line: None)
    services = {service.name: service.env for service in stack._services(1)}
    assert [name for name in services if name.startswith("worker")] == ["worker-1", "worker-2"]
    assert [services[f"worker-{n}"]["CUDA_VISIBLE_DEVICES"] for n in (1, 2)] == ["GPU-a", "MIG-b"]
    assert "CUDA_VISIBLE_DEVICES" not in services["api"]
    assert said == ["worker-1 gets 100% of GPU GPU-a", "worker-2 gets 100% of GPU MIG-b"]


def test_a_setting_that_can_t_be_is_said_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAILOR_GPU_MEMORY_SHARE", "1.5")
    with pytest.raises(UpError, match="TAILOR_GPU_MEMORY_SHARE: Input should be less than or equal to 1"):
        Stack(UpOptions(tmp_path, port=0), 0, print, lambda _name, _line: None)


def test_the_parent_of_the_workers_has_no_torch() -> None:
    program = "import sys, cli.up; print(sorted({'torch', 'diffusers', 'transformers'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
