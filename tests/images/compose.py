"""docker-compose.yml as this program follows it: each service's image, command, settings and health check."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import Any

from tests.deployment.files import compose
from tests.images.builder import qualified

DEFAULT_GRACE_S = 10.0  # Compose's own


@dataclass(frozen=True)
class Service:
    """One service. `command`, `health` and `dockerfile` are empty where the file leaves them to the image."""

    name: str
    image: str
    dockerfile: str
    command: list[str]
    environment: dict[str, str]
    health: list[str]
    volumes: list[tuple[str, str]]
    ports: list[tuple[int, int]]
    """Pairs of a port of this machine's 127.0.0.1 and one of the container."""
    grace_s: float


def read_services(variables: dict[str, str]) -> dict[str, Service]:
    """Return the services that start without a profile, by name; `variables` are what a `.env` file would set."""
    found = compose()["services"]
    return {name: _service(name, told, variables) for name, told in found.items() if "profiles" not in told}


def _service(name: str, told: dict[str, Any], variables: dict[str, str]) -> Service:
    def filled(value: str) -> str:
        return re.sub(r"\$\{(\w+):-([^}]*)\}", lambda found: variables.get(found[1], found[2]), value)

    dockerfile = told.get("build", {}).get("dockerfile", "")
    ports = [filled(port).rsplit(":", 2)[1:] for port in told.get("ports", [])]
    return Service(
        name=name,
        image=f"localhost/tailor-{name}:test" if dockerfile else qualified(told["image"]),
        dockerfile=dockerfile,
        command=shlex.split(filled(told.get("command", ""))),
        environment={key: filled(value) for key, value in told.get("environment", {}).items()},
        health=list(told.get("healthcheck", {}).get("test", ["CMD"]))[1:],
        volumes=[(source, target) for source, target in (each.split(":") for each in told.get("volumes", []))],
        ports=[(int(outside), int(inside)) for outside, inside in ports],
        grace_s=float(told.get("stop_grace_period", f"{DEFAULT_GRACE_S}s").removesuffix("s")),
    )
