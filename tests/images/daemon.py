"""Containers of docker or podman."""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass

from tests.images.builder import Builder
from tests.images.container import Plan
from tests.images.errors import ImagesError
from tests.images.shell import output, works


@dataclass(frozen=True)
class Project:
    """A network of its own, and the names of what belongs to this run."""

    builder: Builder
    name: str

    def create(self) -> None:
        """Make the network, in which services find each other by name."""
        output(*self.builder.program, "network", "create", self.name)

    def remove(self, volumes: list[str]) -> None:
        """Remove the network and the volumes, as far as they are there."""
        for volume in volumes:
            works(*self.builder.program, "volume", "rm", f"{self.name}-{volume}")
        works(*self.builder.program, "network", "rm", self.name)


class DaemonContainer:
    """One container of this kind."""

    def __init__(self, plan: Plan, project: Project) -> None:
        """Start it."""
        self.plan = plan
        self._program = project.builder.program
        self._name = f"{project.name}-{plan.name}"
        service = plan.service
        named = {target: source for source, target in service.volumes}
        options = ["--network", project.name, "--network-alias", service.name]
        options += ["--init", "--read-only"] if plan.is_ours else []
        options += [f"--env={name}={value}" for name, value in service.environment.items()]
        options += [f"--publish=127.0.0.1:{outside}:{inside}" for outside, inside in service.ports]
        options += [
            f"--volume={project.name}-{named.get(target, f'{plan.name}-data')}:{target}" for target in plan.writable
        ]
        output(*self._program, "run", "--detach", "--name", self._name, *options, service.image, *service.command)

    def is_running(self) -> bool:
        """Whether its process has not ended."""
        return self._inspect("{{.State.Running}}") == "true"

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a program inside, as the image's user."""
        return subprocess.run(
            [*self._program, "exec", self._name, *command],
            capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def stop(self) -> tuple[int, float]:
        """Send SIGTERM and wait for the end, for the service's grace period; returns exit code and seconds."""
        began, grace_s = time.monotonic(), self.plan.service.grace_s
        output(*self._program, "stop", "--time", f"{grace_s:.0f}", self._name, timeout_s=grace_s + 60)
        seconds = time.monotonic() - began
        code = int(self._inspect("{{.State.ExitCode}}"))
        if code == 137:
            raise ImagesError(f"{self.plan.name} outlived its grace period\n{self.log()[-3000:]}")
        return code, seconds

    def kill(self) -> None:
        """End it at once, if it still runs, and remove it."""
        works(*self._program, "rm", "--force", self._name)

    def log(self) -> str:
        """Return what it printed."""
        done = subprocess.run(
            [*self._program, "logs", self._name],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.stdout

    def _inspect(self, template: str) -> str:
        return output(*self._program, "inspect", "--format", template, self._name)
