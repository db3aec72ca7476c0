"""The CPUs that a process may use, from control groups of both versions written as the kernel writes them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.cpus import affine_cpus, cpu_quota, usable_cpus, whole_cpus

V1 = "4:memory:/docker/abc\n3:cpuset:/docker/abc\n2:cpu,cpuacct:/docker/abc\n0::/docker/abc\n"


def write(folder: Path, group: str, **files: str) -> None:
    """Write a group's files; their names have `_` for the first `.`."""
    (folder / group).mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / group / name.replace("_", ".", 1)).write_text(content)


@pytest.fixture
def cgroups(tmp_path: Path) -> Path:
    return tmp_path / "cgroup"


def found(cgroups: Path, membership: str) -> float | None:
    """The quota of a process with these lines in its /proc/self/cgroup."""
    file = cgroups.parent / "membership"
    file.write_text(membership)
    return cpu_quota(cgroups, file)


def test_version_2_in_a_container_has_its_quota_at_the_root(cgroups: Path) -> None:
    write(cgroups, ".", cpu_max="250000 100000\n")
    assert found(cgroups, "0::/\n") == 2.5


def test_version_2_without_a_quota(cgroups: Path) -> None:
    write(cgroups, ".", cpu_max="max 100000\n")
    assert found(cgroups, "0::/\n") is None


def test_version_2_obeys_the_tightest_quota_of_a_group_and_its_parents(cgroups: Path) -> None:
    write(cgroups, "kubepods", cpu_max="1600000 100000\n")
    write(cgroups, "kubepods/pod1", cpu_max="150000 50000\n")
    write(cgroups, "kubepods/pod1/worker", cpu_max="max 100000\n")
    assert found(cgroups, "0::/kubepods/pod1/worker\n") == 3.0


def test_a_path_of_the_host_that_a_container_does_not_see_falls_back_to_the_root(cgroups: Path) -> None:
    write(cgroups, ".", cpu_max="400000 100000\n")
    assert found(cgroups, "0::/system.slice/docker-abc.scope\n") == 4.0


def test_a_group_outside_of_what_is_mounted_has_no_quota_to_be_read(cgroups: Path) -> None:
    write(cgroups, ".", cpu_max="400000 100000\n")
    assert found(cgroups, "0::/../../elsewhere\n") is None


@pytest.mark.parametrize("mounted", ["cpu", "cpu,cpuacct"])
def test_version_1_divides_the_quota_by_the_period(cgroups: Path, mounted: str) -> None:
    write(cgroups, f"{mounted}/docker/abc", cpu_cfs_quota_us="300000\n", cpu_cfs_period_us="100000\n")
    assert found(cgroups, V1) == 3.0


def test_version_1_in_a_container_has_its_quota_at_the_controllers_root(cgroups: Path) -> None:
    write(cgroups, "cpu", cpu_cfs_quota_us="50000\n", cpu_cfs_period_us="100000\n")
    assert found(cgroups, V1) == 0.5


def test_version_1_without_a_quota(cgroups: Path) -> None:
    write(cgroups, "cpu/docker/abc", cpu_cfs_quota_us="-1\n", cpu_cfs_period_us="100000\n")
    assert found(cgroups, V1) is None


def test_both_versions_at_once_as_systemd_mounts_them(cgroups: Path) -> None:
    write(cgroups, "cpu", cpu_cfs_quota_us="600000\n", cpu_cfs_period_us="100000\n")
    write(cgroups, "unified/docker/abc", cpu_max="200000 100000\n")
    assert found(cgroups, V1) == 2.0


@pytest.mark.parametrize("content", ["", "many 100000", "1 2 3", "100000 0", "-5 100000"])
def test_a_quota_that_makes_no_sense_is_none(cgroups: Path, content: str) -> None:
    write(cgroups, ".", cpu_max=content)
    assert found(cgroups, "0::/\n") is None


def test_no_control_groups_at_all(cgroups: Path) -> None:
    assert cpu_quota(cgroups, cgroups / "nowhere") is None


@pytest.mark.parametrize(
    ("cpus", "quota", "expected"), [(8, 2.5, 2), (8, 0.5, 1), (2, 16.0, 2), (8, 3.0, 3), (1, 0.01, 1)]
)
def test_a_quota_is_rounded_down_to_at_least_one(cpus: int, quota: float, expected: int) -> None:
    assert whole_cpus(cpus, quota) == expected


def test_this_process_may_use_no_more_than_the_scheduler_gives_it() -> None:
    assert 1 <= usable_cpus() <= affine_cpus()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux")
def test_a_process_that_is_kept_on_one_cpu_uses_one() -> None:
    program = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
    program += "from core.cpus import usable_cpus; print(usable_cpus())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"
