"""The embedded model's version and the code that it goes with, both from the repository's pyproject.toml."""

import tomllib
from pathlib import Path

from setuptools import setup

project = tomllib.loads((Path(__file__).resolve().parents[1] / "pyproject.toml").read_text())["project"]
# A later release of the code that changes nothing about models (0.1.1) takes the weights that are there.
setup(version=project["version"], install_requires=[f"tailor[worker,embedded]~={project['version']}"])
