"""An image without a container: what a Dockerfile copies and installs, and nothing else, in a folder."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.deployment.files import REPOSITORY, Stage, reaches_builder, stages

# What stands for the programs that RUN lines use. Nobody is made or given anything: the folder has one user.
TOOLS = {
    "python": f'exec "{sys.executable}" "$@"',
    "pip": f'exec "{sys.executable}" "{Path(__file__).with_name("offline_pip.py")}" "$@"',
    "useradd": "exit 0",
    "chown": "exit 0",
}


def write_tools(folder: Path) -> Path:
    """Put what stands for those programs into a folder, and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, script in TOOLS.items():
        tool = folder / name
        tool.write_text(f"#!/bin/sh\n{script}\n")
        tool.chmod(0o755)
    return folder


@dataclass(frozen=True)
class FolderImage:
    """What the last stage of a Dockerfile left in its WORKDIR, and how it is started."""

    folder: Path
    stage: Stage

    @property
    def environment(self) -> dict[str, str]:
        """The variables that its processes get, and no other of this process'."""
        own = {name: value.replace("/app", str(self.folder)) for name, value in self.stage.environment().items()}
        path = own.pop("PATH").replace("$PATH", "/usr/bin:/bin")
        return {"PATH": path, "HOME": str(self.folder.parent), "LANG": "C.UTF-8", **own}

    def command(self, instruction: str) -> list[str]:
        """The program that CMD or HEALTHCHECK names, with its arguments; found on the image's own PATH."""
        words = json.loads(self.stage.all(instruction)[0].partition("CMD ")[2] or self.stage.all(instruction)[0])
        program = shutil.which(words[0], path=self.environment["PATH"])
        assert program, f"{words[0]} is not on the image's PATH"
        return [program, *words[1:]]

    def python(self, code: str) -> subprocess.CompletedProcess[str]:
        """Run a line of Python as a process in the image would."""
        command = [str(self.folder / "venv" / "bin" / "python"), "-c", code]
        return subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )


class FolderBuilder:
    """Follows a Dockerfile. Each stage is made at the same path and then put aside, as environments can't be moved."""

    def __init__(self, dockerfile: str, folder: Path) -> None:
        self._stages = stages(dockerfile)
        self._app = folder / "app"
        self._done = folder / "stages"
        self._tools = folder / "tools"

    def build(self) -> FolderImage:
        """Make all stages; the last one stays."""
        write_tools(self._tools)
        self._done.mkdir()
        for stage in self._stages:
            self._make(stage)
            if stage.name:
                self._app.rename(self._done / stage.name)
        return FolderImage(self._app, self._stages[-1])

    def _make(self, stage: Stage) -> None:
        assert stage.all("WORKDIR") == ["/app"]
        self._app.mkdir()
        for instruction, rest in stage.instructions:
            if instruction == "RUN":
                self._run(stage, rest)
            elif instruction == "COPY":
                self._copy(rest)

    def _run(self, stage: Stage, command: str) -> None:
        defaults = dict(re.findall(r'(\w+)="?([^"\s]*)"?', " ".join(stage.all("ARG"))))
        env = {"PATH": f"{self._tools}{os.pathsep}/usr/bin:/bin", "HOME": str(self._app.parent), **defaults}
        shell = ["sh", "-ec", command]
        done = subprocess.run(shell, cwd=self._app, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"RUN {command}\n{done.stdout}{done.stderr}"

    def _copy(self, rest: str) -> None:
        *words, target = rest.split()
        source_of = REPOSITORY
        if words[0].startswith("--from="):
            source_of = self._done / words.pop(0).removeprefix("--from=")
            words = [word.removeprefix("/app/") for word in words]
        for word in words:
            source = source_of / word
            into = self._app / target / (source.name if target.endswith("/") else "")
            if source.is_file():
                shutil.copy2(source, into)
            else:
                _merge(source, into, _passes_builder if source_of == REPOSITORY else _passes)


def _merge(source: Path, into: Path, passes: Callable[[Path], bool]) -> None:
    """Copy a folder over another one; a link stays a link, and nothing is ever written through one."""
    assert not into.is_symlink(), f"{into} is another package's"
    into.mkdir(exist_ok=True)
    for each in filter(passes, source.iterdir()):
        target = into / each.name
        if each.is_symlink():
            target.unlink(missing_ok=True)
            target.symlink_to(each.readlink())
        elif each.is_dir():
            _merge(each, target, passes)
        else:
            shutil.copy2(each, target)


def _passes_builder(path: Path) -> bool:
    return reaches_builder(path.relative_to(REPOSITORY).as_posix())


def _passes(_: Path) -> bool:
    return True
