"""Reads the deployment files for the tests that prove them."""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
DOCKERFILES = ("Dockerfile.api", "Dockerfile.worker")


@dataclass(frozen=True)
class Stage:
    """One FROM of a Dockerfile and what follows it."""

    base: str
    name: str
    instructions: list[tuple[str, str]]

    def all(self, instruction: str) -> list[str]:
        """The arguments of all instructions of one kind."""
        return [rest for name, rest in self.instructions if name == instruction]

    def environment(self) -> dict[str, str]:
        """The variables that ENV sets, as they are written."""
        return dict(re.findall(r'(\w+)=("[^"]*"|\S*)', " ".join(self.all("ENV"))))


def text(name: str) -> str:
    """One file of the repository."""
    return (REPOSITORY / name).read_text()


def compose() -> dict[str, Any]:
    """docker-compose.yml with its anchors and merge keys resolved."""
    loaded = yaml.safe_load(text("docker-compose.yml"))
    assert isinstance(loaded, dict)
    return loaded


def stages(dockerfile: str) -> list[Stage]:
    """A Dockerfile's stages, without comments and line ends; the last one is the image."""
    joined = re.sub(r"\\\n\s*", "", re.sub(r"^#.*\n", "", text(dockerfile), flags=re.MULTILINE))
    found: list[Stage] = []
    for line in filter(str.strip, joined.splitlines()):
        name, rest = line.split(maxsplit=1)
        if name == "FROM":
            base, _, alias = rest.partition(" AS ")
            found.append(Stage(base, alias, []))
        else:
            found[-1].instructions.append((name, rest))
    return found


def image(dockerfile: str) -> Stage:
    """The stage that becomes the image."""
    return stages(dockerfile)[-1]


def arguments(dockerfile: str, instruction: str) -> list[str]:
    """The arguments of all instructions of one kind, in all stages."""
    return [rest for stage in stages(dockerfile) for rest in stage.all(instruction)]


def copied_sources(dockerfile: str) -> list[str]:
    """What a Dockerfile copies from the repository."""
    copies = [rest.split()[:-1] for rest in arguments(dockerfile, "COPY") if not rest.startswith("--from=")]
    return [source for sources in copies for source in sources]


def reaches_builder(path: str) -> bool:
    """Whether .dockerignore lets a path of the repository pass; its last line that matches decides."""
    passes = True
    for line in text(".dockerignore").splitlines():
        pattern = line.removeprefix("!")
        if pattern and not line.startswith("#") and _matches(PurePosixPath(path), pattern):
            passes = line.startswith("!")
    return passes


def _matches(path: PurePosixPath, pattern: str) -> bool:
    """Whether a path, or a folder that it lies in, matches; `**/` stands for any folders."""
    itself_and_above = [path, *path.parents[:-1]]
    if pattern.startswith("**/"):
        return any(fnmatch.fnmatch(each.name, pattern.removeprefix("**/")) for each in itself_and_above)
    return any(len(each.parts) == pattern.count("/") + 1 and fnmatch.fnmatch(str(each), pattern)
               for each in itself_and_above)  # fmt: skip


def variables(name: str) -> set[str]:
    """Every TAILOR_* name in a file."""
    return set(re.findall(r"\bTAILOR_[A-Z0-9_]+", text(name)))
