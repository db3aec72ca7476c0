"""How many CPUs this process may use: its affinity, and the quota of the container that it runs in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

CGROUPS = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")
_V1_CONTROLLERS = ("cpu", "cpu,cpuacct", "cpuacct,cpu")  # where version 1 has the controller mounted


def usable_cpus() -> int:
    """Return how many CPUs this process may use at once, at least 1."""
    quota = cpu_quota()
    return affine_cpus() if quota is None else whole_cpus(affine_cpus(), quota)


def affine_cpus() -> int:
    """Return how many CPUs the scheduler may put this process on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def whole_cpus(cpus: int, quota: float) -> int:
    """Return how many of `cpus` a quota of so many CPUs keeps busy all the time, at least 1.

    A quota is rounded down: threads that wait for each other stand still together once it is used up.
    """
    return max(1, min(cpus, int(quota)))


def cpu_quota(cgroups: Path = CGROUPS, membership: Path = MEMBERSHIP) -> float | None:
    """Return the smallest quota on this process' control groups in CPUs, of version 1 or 2; None without one."""
    quotas = [quota for folder in _folders(cgroups, membership) if (quota := _quota(folder)) is not None]
    return min(quotas, default=None)


def _folders(cgroups: Path, membership: Path) -> Iterator[Path]:
    """Yield the folders that may hold a quota: those of the process' groups and of all their parents.

    In a container the path is often the host's, which is not there: the container's own quota then lies at the root.
    """
    for controllers, path in _groups(membership):
        if not controllers:
            roots = [cgroups, cgroups / "unified"]
        elif "cpu" in controllers.split(","):
            roots = [cgroups / name for name in _V1_CONTROLLERS]
        else:
            continue
        inside = PurePosixPath(path.lstrip("/"))
        for root in roots:
            yield from (root / part for part in (inside, *inside.parents))


def _groups(membership: Path) -> Iterator[tuple[str, str]]:
    """Yield the controllers and the path of each line `ID:CONTROLLERS:PATH`; version 2 has no controllers there."""
    for line in _text(membership).splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if path and ".." not in path.split("/"):
            yield controllers, path


def _quota(folder: Path) -> float | None:
    """Return a group's own quota in CPUs; None when it has none or says nothing that can be read."""
    both = _text(folder / "cpu.max").split()  # version 2
    if not both:
        both = [*_text(folder / "cpu.cfs_quota_us").split(), *_text(folder / "cpu.cfs_period_us").split()]
    try:
        quota_us, period_us = map(int, both)
    except ValueError:  # "max", or a file that is not there
        return None
    return quota_us / period_us if quota_us > 0 and period_us > 0 else None


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""
