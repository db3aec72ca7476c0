"""A `pip` for tests: it installs other people's packages by links to the ones that this Python already has.

So an environment holds exactly what is asked for, with what that needs in turn, within a second and without a network.
Wheels are made and installed by the real pip.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterable
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.markers import default_environment
from packaging.requirements import Requirement

SCRIPT = """#!{python}
import sys
from {module} import {name}
sys.exit({name}())
"""


def main() -> None:
    """Do what the arguments say, of which it understands those that the Dockerfiles use."""
    parser = argparse.ArgumentParser(prog="pip")
    parser.add_argument("--python", type=Path)
    parser.add_argument("command", choices=["install", "wheel"])
    parser.add_argument("--no-deps", action="store_true")
    parser.add_argument("--wheel-dir")
    parser.add_argument("-c", dest="constraints", type=Path)
    parser.add_argument("-r", dest="requirements", type=Path)
    parser.add_argument("names", nargs="*")
    asked = parser.parse_intermixed_args()
    wheels = [name for name in asked.names if name.endswith(".whl")]
    if asked.command == "wheel" or wheels:
        _real_pip(asked, wheels)
    if asked.command == "install" and not asked.no_deps:
        names = [*(name for name in asked.names if name not in wheels), *_lines(asked.requirements)]
        links = Links(asked.python.absolute(), [Requirement(line) for line in _lines(asked.constraints)])
        links.install(map(Requirement, names))
        links.install_what_wheels_need()


class Links:
    """A virtual environment that gets links to packages of this Python."""

    def __init__(self, python: Path, pins: list[Requirement]) -> None:
        """`python` is the environment's, `pins` narrow down what others ask for."""
        self._bin = python.parent
        self._site = next(python.parents[1].glob("lib/python*/site-packages"))
        self._pins = {_canonical(pin.name): pin for pin in pins}
        installed = (Distribution.at(path) for path in self._site.glob("*.dist-info") if not path.is_symlink())
        self._wheels = {_canonical(found.name): found for found in installed}
        self._done: set[tuple[str, frozenset[str]]] = set()

    def install(self, requirements: Iterable[Requirement]) -> None:
        """Link what is asked for, and what it needs; fails like pip where a version does not fit."""
        for requirement in requirements:
            key = (_canonical(requirement.name), frozenset(requirement.extras))
            if key in self._done:
                continue
            self._done.add(key)
            wheel = self._wheels.get(_canonical(requirement.name))
            found = wheel or distribution(requirement.name)
            self._check(found, requirement)
            if not wheel:
                self._link(found)
                self._install_scripts(found)
            self.install(_needs(found, requirement.extras))

    def install_what_wheels_need(self) -> None:
        """Link what the wheels that are installed already ask for."""
        for wheel in self._wheels.values():
            self.install(_needs(wheel, set()))

    def _check(self, found: Distribution, requirement: Requirement) -> None:
        pin = self._pins.get(_canonical(requirement.name), requirement)
        for each in (requirement, pin):
            if not each.specifier.contains(found.version, prereleases=True):
                raise SystemExit(f"pip: {each} is asked for, and {found.version} is installed")

    def _link(self, found: Distribution) -> None:
        for name in {file.parts[0] for file in found.files or ()} - {"..", "__pycache__"}:
            source, link = Path(str(found.locate_file(name))), self._site / name
            if not link.is_symlink():
                link.symlink_to(source)

    def _install_scripts(self, found: Distribution) -> None:
        for entry in found.entry_points.select(group="console_scripts"):
            script = self._bin / entry.name
            module, _, name = entry.value.partition(":")
            script.write_text(SCRIPT.format(python=self._bin / "python", module=module, name=name.split(" ")[0]))
            script.chmod(0o755)


def _needs(found: Distribution, extras: set[str]) -> list[Requirement]:
    environments = [dict(default_environment()) | {"extra": extra} for extra in ("", *extras)]
    needed = map(Requirement, found.requires or ())
    return [each for each in needed if not each.marker or any(each.marker.evaluate(one) for one in environments)]


def _lines(file: Path | None) -> list[str]:
    return [line for line in file.read_text().splitlines() if line and line[0] != "#"] if file else []


def _canonical(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


def _real_pip(asked: argparse.Namespace, wheels: list[str]) -> None:
    where = ["--python", str(asked.python)] if asked.python else []
    how = ["wheel", "--no-build-isolation", "--wheel-dir", asked.wheel_dir]
    if asked.command == "install":
        how = ["install", "--no-index", "--no-compile"]
    what = asked.names if asked.command == "wheel" else wheels
    command = [sys.executable, "-m", "pip", "--quiet", *where, *how, "--no-deps", *what]
    quiet = os.environ | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    if code := subprocess.run(command, env=quiet, check=False).returncode:
        sys.exit(code)


if __name__ == "__main__":
    main()
