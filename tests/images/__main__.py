"""Builds both images, starts docker-compose.yml's services from them, and uses them as a user would."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from tests.deployment.files import REPOSITORY, image
from tests.images.base import ensure_base
from tests.images.builder import Builder, find_builder
from tests.images.chroot import ChrootContainer, Mounted, enter_own_network
from tests.images.compose import Service, read_services
from tests.images.container import Container, Plan
from tests.images.daemon import DaemonContainer, Project
from tests.images.errors import CannotRunError, ImagesError
from tests.images.pip_settings import pip_mounts
from tests.images.servers import ensure_server
from tests.images.trial import Start, Trial
from tests.support.ports import free_ports


def say(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)  # noqa: T201 - a program of its own


def main() -> None:
    """Run it all; exit code 1 when something does not hold, 3 when nothing here builds images."""
    parser = argparse.ArgumentParser(prog="make test-images", description=__doc__)
    parser.add_argument("--builder", choices=["docker", "podman", "buildah"], help="default: the first that works")
    parser.add_argument("--no-build", action="store_true", help="take Tailor's images as the last run left them")
    parser.add_argument("--if-possible", action="store_true", help="say so and end well where nothing builds images")
    parser.add_argument("--store", type=Path, default=REPOSITORY / "out" / "images", help="keeps bases between runs")
    asked = parser.parse_args()
    began = time.monotonic()
    try:
        asked.store.mkdir(parents=True, exist_ok=True)
        run(find_builder(asked.store.resolve(), asked.builder), asked.store.resolve(), is_built=asked.no_build)
    except CannotRunError as error:
        say(f"the images were not tested: {error}")
        sys.exit(0 if asked.if_possible else 3)
    except ImagesError as error:
        say(f"FAILED: {error}")
        sys.exit(1)
    say(f"{time.monotonic() - began:6.1f} s  in all: the images work")


def run(builder: Builder, store: Path, *, is_built: bool) -> None:
    """Build and try. Raises ImagesError or CannotRunError."""
    say(f"with {' '.join(builder.program)}")
    services = read_services(_variables(builder))
    with tempfile.TemporaryDirectory(prefix="tailor-images-") as folder:
        sizes = build(builder, services, store, Path(folder), is_built=is_built)
        with ExitStack() as stack:
            start = _starter(builder, services, Path(folder), stack)
            Trial(services, sizes, start, say).run()


def build(
    builder: Builder, services: dict[str, Service], store: Path, folder: Path, *, is_built: bool
) -> dict[str, float]:
    """Have all images in the store; returns how many MB ours have."""
    sizes: dict[str, float] = {}
    base = image("Dockerfile.api").base
    began = time.monotonic()
    stand_in = ensure_base(builder, base, store)
    say(f"{time.monotonic() - began:6.1f} s  for {base}" + (f": a stand-in, {stand_in}" if stand_in else ""))
    mounts = pip_mounts(folder)
    args = {"TORCH_INDEX": index} if (index := os.environ.get("TORCH_INDEX", "")) else {}
    for name, service in services.items():
        if not service.dockerfile:
            stands_in = ensure_server(builder, service, store)
            say(f"          {service.image}" + (": a stand-in, the same server from PyPI" if stands_in else ""))
            continue
        taken = args if name == "worker" else {}
        began = time.monotonic()
        if not (is_built and builder.has(service.image)):
            builder.build(service.image, REPOSITORY / service.dockerfile, REPOSITORY, taken, mounts)
        seconds = time.monotonic() - began
        size = builder.size_mb(service.image)
        beyond = size - builder.size_mb(base)
        say(f"{seconds:6.1f} s  for {service.dockerfile}: {size:.0f} MB, {beyond:.0f} of them beyond the base")
        sizes[name] = size
    builder.prune()
    return sizes


def _variables(builder: Builder) -> dict[str, str]:
    """Return what `.env` would set: free ports, where containers share this machine's."""
    if builder.name == "buildah":
        return {}
    api, s3 = free_ports(2)
    public = f"http://localhost:{s3}"
    return {"API_PORT": str(api), "S3_PORT": str(s3), "TAILOR_S3_PUBLIC_ENDPOINT_URL": public}


def _starter(builder: Builder, services: dict[str, Service], folder: Path, stack: ExitStack) -> Start:
    """Return what starts containers with this builder; all are gone when the stack ends."""
    mounted, project = Mounted(builder), Project(builder, f"tailor-{os.getpid()}")
    if builder.name == "buildah":
        enter_own_network()
        stack.callback(mounted.release)
    else:
        project.create()
        volumes = [source for service in services.values() for source, _ in service.volumes]
        stack.callback(project.remove, [*volumes, *(f"{name}-data" for name in ("api", "worker", "worker-2"))])

    def start(name: str, service: Service) -> Container:
        plan = Plan(name, service, builder.config(service.image))
        container: Container
        if builder.name == "buildah":
            container = ChrootContainer(plan, mounted.root(service.image), folder, list(services))
        else:
            container = DaemonContainer(plan, project)
        stack.callback(container.kill)
        return container

    return start


if __name__ == "__main__":
    main()
