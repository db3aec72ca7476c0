"""Whatever builds images here: docker, buildah or podman."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.images.errors import CannotRunError, ImagesError
from tests.images.shell import output, works

BUILD_S = 1800
PULL_S = 300
NAMES = ("docker", "buildah", "podman")  # buildah before podman, as it needs no container runtime


@dataclass(frozen=True)
class ImageConfig:
    """What an image says about how it is run."""

    entry: list[str]
    command: list[str]
    environment: dict[str, str]
    user: str
    folder: str
    health: list[str]


@dataclass(frozen=True)
class Builder:
    """One program, with the store that it keeps images in: one of its own, so that stand-ins stay among themselves."""

    name: str
    program: tuple[str, ...]

    def build(
        self, tag: str, dockerfile: Path, context: Path, args: dict[str, str], mounts: list[tuple[Path, str]]
    ) -> None:
        """Build an image. Docker can't mount while it builds: its pip knows nothing of this machine's settings."""
        command = [*self.program, "build", "--file", str(dockerfile), "--tag", tag]
        command += [f"--build-arg={name}={value}" for name, value in args.items()]
        if self.name != "docker":
            command += ["--format", "docker", "--pull-never" if self.name == "buildah" else "--pull=never"]
            command += [f"--volume={source}:{target}:ro" for source, target in mounts]
            command += ["--isolation", "chroot"] if self.name == "buildah" else ["--network", "host"]
        output(*command, str(context), timeout_s=BUILD_S)

    def prune(self) -> None:
        """Drop what an earlier run built under the same names, from a store of our own; docker's is its user's."""
        if self.name != "docker":
            output(*self.program, *(("rmi", "--prune") if self.name == "buildah" else ("image", "prune", "--force")))

    def has(self, tag: str) -> bool:
        """Whether the store holds an image."""
        tag = qualified(tag)
        inspect = ("inspect", "--type", "image") if self.name == "buildah" else ("image", "inspect")
        return works(*self.program, *inspect, tag)

    def pull(self, tag: str) -> bool:
        """Fetch an image from its registry; False where that can't be reached."""
        return works(*self.program, "pull", qualified(tag), timeout_s=PULL_S)

    def size_mb(self, tag: str) -> float:
        """Return an image's size on disk, in units of 10^6 bytes."""
        if self.name != "buildah":
            return int(output(*self.program, "image", "inspect", "--format", "{{.Size}}", tag)) / 1e6
        listed = json.loads(output(*self.program, "images", "--json", tag))
        number, unit = listed[0]["size"].split()
        return float(number) * {"KB": 1e-3, "MB": 1, "GB": 1e3}[unit]

    def config(self, tag: str) -> ImageConfig:
        """Return how an image is to be run."""
        found = self._inspect(tag)
        return ImageConfig(
            entry=found.get("Entrypoint") or [],
            command=found.get("Cmd") or [],
            environment=dict(each.split("=", 1) for each in found.get("Env") or []),
            user=found.get("User") or "0",
            folder=found.get("WorkingDir") or "/",
            health=((found.get("Healthcheck") or {}).get("Test") or ["CMD"])[1:],
        )

    def _inspect(self, tag: str) -> dict[str, Any]:
        if self.name == "buildah":
            found = json.loads(output(*self.program, "inspect", "--type", "image", tag))["Docker"]["config"]
        else:
            found = json.loads(output(*self.program, "image", "inspect", tag))[0]["Config"]
        return dict(found)


def qualified(tag: str) -> str:
    """Return an image's name with its registry, which docker may leave out and the others may not."""
    registry, _, rest = tag.partition("/")
    if not rest:
        return f"docker.io/library/{tag}"
    return tag if "." in registry or registry == "localhost" else f"docker.io/{tag}"


def find_builder(store: Path, wanted: str | None) -> Builder:
    """Return the first of docker, buildah and podman that works here, or the one that is wanted.

    Raises CannotRunError when there is none.
    """
    why = []
    for name in [wanted] if wanted else NAMES:
        if shutil.which(name) is None:
            why.append(f"{name} is not installed")
        elif name == "docker" and not works("docker", "info"):
            why.append("docker's daemon does not answer")
        elif name != "docker" and os.geteuid() != 0:
            why.append(f"{name} is only used as root, for want of a daemon")
        else:
            return Builder(name, (name,) if name == "docker" else (name, *_store_options(name, store)))
    raise CannotRunError("; ".join(why))


def _store_options(name: str, store: Path) -> list[str]:
    """Return the options of a store in a folder: on overlay where the kernel has it, else of whole copies (slower)."""
    options = [f"--root={store / 'overlay'}", f"--runroot={store / 'run-overlay'}", "--storage-driver=overlay"]
    if works(name, *options, "info"):
        return options
    options = [f"--root={store / 'vfs'}", f"--runroot={store / 'run-vfs'}", "--storage-driver=vfs"]
    if works(name, *options, "info"):
        return options
    raise ImagesError(f"{name} can't keep images in {store}: {output(name, *options, 'info')}")
