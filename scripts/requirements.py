"""Prints the dependencies of pyproject.toml and of the extras named as arguments: an image layer without our code."""

import sys
import tomllib
from pathlib import Path

project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
extras = [requirement for name in sys.argv[1:] for requirement in project["optional-dependencies"][name]]
others = [one for one in project["dependencies"] + extras if not one.startswith("tailor-client")]  # our own, as a wheel
sys.stdout.write("\n".join(others) + "\n")
