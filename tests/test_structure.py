"""What the documents say of the code is true."""

from __future__ import annotations

import ast
import re

import pytest

from core.config import REPOSITORY

PACKAGES = ("core", "core/storage", "core/diffusion", "worker", "api", "api/routes", "cli")
BELOW = {"core": (), "worker": ("core",), "api": ("core",), "cli": ("core",)}


def modules(package: str) -> set[str]:
    return {path.name for path in (REPOSITORY / package).glob("*.py")} - {"__init__.py"}


def imported(package: str) -> set[str]:
    """Return the top-level packages of ours that a package's modules import."""
    names: set[str] = set()
    for path in (REPOSITORY / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names.add(node.module.split(".")[0])
    return names & {"core", "worker", "api", "cli", "pretrain", "bench", "tests"}


@pytest.mark.parametrize("package", PACKAGES)
def test_the_structure_page_names_every_module(package: str) -> None:
    page = (REPOSITORY / "docs" / "structure.md").read_text()
    named = set(re.findall(r"`(?:\w+/)*(\w+\.py)`", page))

    assert modules(package) <= named


@pytest.mark.parametrize("package", BELOW)
def test_imports_run_one_way(package: str) -> None:
    assert imported(package) <= {package, *BELOW[package]}
