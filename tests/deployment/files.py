"""Reads the deployment files for the tests that prove them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
DOCKERFILES = ("Dockerfile.api", "Dockerfile.worker")


def text(name: str) -> str:
    """One file of the repository."""
    return (REPOSITORY / name).read_text()


def compose() -> dict[str, Any]:
    """docker-compose.yml with its anchors and merge keys resolved."""
    loaded = yaml.safe_load(text("docker-compose.yml"))
    assert isinstance(loaded, dict)
    return loaded


def instructions(dockerfile: str) -> list[tuple[str, str]]:
    """A Dockerfile's instructions and their arguments, without comments and line ends."""
    joined = re.sub(r"\\\n\s*", "", re.sub(r"^#.*\n", "", text(dockerfile), flags=re.MULTILINE))
    pairs = [line.split(maxsplit=1) for line in joined.splitlines() if line.strip()]
    return [(name, rest) for name, rest in pairs]


def arguments(dockerfile: str, instruction: str) -> list[str]:
    """The arguments of all instructions of one kind."""
    return [rest for name, rest in instructions(dockerfile) if name == instruction]


def variables(name: str) -> set[str]:
    """Every TAILOR_* name in a file."""
    return set(re.findall(r"\bTAILOR_[A-Z0-9_]+", text(name)))
