"""What the trial does with a container, whoever runs it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from tests.images.builder import ImageConfig
from tests.images.compose import Service
from tests.images.errors import ImagesError

START_S = 180.0


@dataclass(frozen=True)
class Plan:
    """One container: a service of the compose file, run from an image as that image says."""

    name: str
    service: Service
    image: ImageConfig

    @property
    def command(self) -> list[str]:
        """What its first process is."""
        return [*self.image.entry, *(self.service.command or self.image.command)]

    @property
    def is_ours(self) -> bool:
        """Whether the image is Tailor's own; its root file system can then be read only."""
        return bool(self.service.dockerfile)

    @property
    def health(self) -> list[str]:
        """The health check of the compose file, else the image's."""
        return self.service.health or self.image.health

    @property
    def writable(self) -> list[str]:
        """The folders that it may write to: its volumes, and its data folder."""
        data = [f"{self.image.folder}/data"] if self.is_ours else []
        return [*data, *(target for _, target in self.service.volumes)]


class Container(Protocol):
    """A started container."""

    plan: Plan

    def is_running(self) -> bool:
        """Whether its process has not ended."""
        ...

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a program inside, as the image's user."""
        ...

    def stop(self) -> tuple[int, float]:
        """Send SIGTERM and wait for the end, for the service's grace period; returns exit code and seconds."""
        ...

    def kill(self) -> None:
        """End it at once, if it still runs, and clean up."""
        ...

    def log(self) -> str:
        """Return what it printed."""
        ...


def wait_for(
    happened: Callable[[], bool], containers: list[Container], what: str, patience_s: float = START_S
) -> float:
    """Ask until it has happened; returns the seconds. Raises ImagesError with the logs when a container ends first."""
    began = time.monotonic()
    while not happened():
        ended = [each.plan.name for each in containers if not each.is_running()]
        if ended or time.monotonic() - began > patience_s:
            logs = "\n".join(f"--- {each.plan.name}\n{each.log()[-3000:]}" for each in containers)
            raise ImagesError(f"{', '.join(ended) or 'nobody'} ended while waiting for {what}\n{logs}")
        time.sleep(0.1)  # the processes are others', so there is no event to wait for
    return time.monotonic() - began


def wait_until_healthy(container: Container) -> float:
    """Run the health check until it passes; returns the seconds."""
    if not container.plan.health:
        raise ImagesError(f"{container.plan.name} has no health check")
    return wait_for(
        lambda: container.run(*container.plan.health).returncode == 0, [container], f"{container.plan.name}'s health"
    )
