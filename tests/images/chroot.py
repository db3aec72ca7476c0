"""Containers without a daemon: an image that buildah mounts, in namespaces of its own, on one loopback for all."""

from __future__ import annotations

import ctypes
import fcntl
import os
import shutil
import signal
import socket
import struct
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.images.builder import Builder
from tests.images.container import Plan
from tests.images.errors import CannotRunError, ImagesError
from tests.images.shell import output

CLONE_NEWNET = 0x40000000
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1

# Makes what a container engine makes: names, /proc, /dev, and a root that can be written nowhere but in its volumes.
START = """
set -e
root=$1 name=$2 hosts=$3 readonly=$4 volumes=$5
shift 5
hostname "$name"
mount --bind "$root" "$root"
if [ "$readonly" = yes ]; then mount -o remount,bind,ro "$root"; fi
mount --bind "$hosts" "$root/etc/hosts"
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t tmpfs -o mode=755 dev "$root/dev"
for each in null zero full random urandom; do : > "$root/dev/$each"; mount --bind "/dev/$each" "$root/dev/$each"; done
ln -s /proc/self/fd "$root/dev/fd"
mkdir -m 1777 "$root/dev/shm"
while read -r source target; do mount --bind "$source" "$root$target"; done < "$volumes"
exec "$@"
"""


def enter_own_network() -> None:
    """Move this process, and so what it starts, into a network of its own that has nothing but loopback.

    The compose file's ports are then free, whatever else listens on this machine. Raises CannotRunError where that is
    not allowed.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET):
        raise CannotRunError(f"a network of its own is not allowed here: {os.strerror(ctypes.get_errno())}")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(control, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | IFF_UP))


@dataclass
class Mounted:
    """Images of a builder's store, mounted; containers share a mount, as Tailor's own can't write to it."""

    builder: Builder
    roots: dict[str, tuple[str, Path]] = field(default_factory=dict)

    def root(self, tag: str) -> Path:
        """Return an image's root folder."""
        if tag not in self.roots:
            container = output(*self.builder.program, "from", "--pull-never", tag)
            self.roots[tag] = container, Path(output(*self.builder.program, "mount", container))
        return self.roots[tag][1]

    def release(self) -> None:
        """Unmount all."""
        for container, _ in self.roots.values():
            output(*self.builder.program, "rm", container)
        self.roots.clear()


class ChrootContainer:
    """One container of this kind."""

    def __init__(self, plan: Plan, root: Path, folder: Path, names: list[str]) -> None:
        """Start it. `folder` takes its log and volumes, `names` are what all containers are called."""
        self.plan = plan
        self._uid, self._gid = _ids(root, plan.image.user)
        self._log = folder / f"{plan.name}.log"
        hosts, volumes = folder / "hosts", folder / f"{plan.name}.volumes"
        hosts.write_text(f"127.0.0.1 localhost {' '.join(names)}\n")
        volumes.write_text("".join(f"{source} {target}\n" for source, target in self._volumes(folder)))
        inside = ["chroot", f"--userspec={self._uid}:{self._gid}", str(root), *self._environment(), *plan.command]
        script = ["sh", "-c", START, "start", str(root), plan.name, str(hosts), "yes" if plan.is_ours else "no"]
        spaces = ["unshare", "--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child"]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen([*spaces, *script, str(volumes), *inside], stdout=log, stderr=log)

    def is_running(self) -> bool:
        """Whether its process has not ended."""
        return self._process.poll() is None

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a program inside, as the image's user; fails like one that fails where nothing runs yet."""
        enter = ["nsenter", f"--target={self._first() or ''}", "--mount", "--pid", "--uts", "--ipc", "--root"]
        who = [f"--setuid={self._uid}", f"--setgid={self._gid}"]
        return subprocess.run(
            [*enter, *who, *self._environment(), *command],
            capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def stop(self) -> tuple[int, float]:
        """Send SIGTERM and wait for the end, for the service's grace period; returns exit code and seconds."""
        began = time.monotonic()
        if (first := self._first()) is None:
            raise ImagesError(f"{self.plan.name} has ended\n{self.log()[-3000:]}")
        os.kill(first, signal.SIGTERM)
        try:
            code = self._process.wait(timeout=self.plan.service.grace_s)
        except subprocess.TimeoutExpired:
            raise ImagesError(f"{self.plan.name} outlived its grace period\n{self.log()[-3000:]}") from None
        return code, time.monotonic() - began

    def kill(self) -> None:
        """End it at once, if it still runs; what it started goes with its namespace."""
        self._process.kill()
        self._process.wait()

    def log(self) -> str:
        """Return what it printed."""
        return self._log.read_text(errors="replace")

    def _first(self) -> int | None:
        """Return its first process' id, as this machine counts; None before it has begun and after it has ended."""
        try:
            children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        except OSError:
            return None
        return int(children[0]) if children else None

    def _environment(self) -> list[str]:
        """Return what starts a program with the image's and the service's variables, in the image's folder."""
        variables = {"HOME": "/", **self.plan.image.environment, **self.plan.service.environment}
        return ["/usr/bin/env", "-i", "-C", self.plan.image.folder, *(f"{k}={v}" for k, v in variables.items())]

    def _volumes(self, folder: Path) -> list[tuple[Path, str]]:
        named = {target: source for source, target in self.plan.service.volumes}
        volumes = []
        for target in self.plan.writable:
            source = folder / "volumes" / named.get(target, f"{self.plan.name}-data")
            source.mkdir(parents=True, exist_ok=True)
            shutil.chown(source, self._uid, self._gid)
            volumes.append((source, target))
        return volumes


def _ids(root: Path, user: str) -> tuple[int, int]:
    """Return the numbers of an image's user and of its group, from the image's own list."""
    for line in (root / "etc" / "passwd").read_text().splitlines():
        name, _, uid, gid, *_ = line.split(":")
        if user in (name, uid):
            return int(uid), int(gid)
    raise ImagesError(f"the image's user {user} is not in its /etc/passwd")
