"""The code is laid out as docs/structure.md says, and docs/modules.md is what the modules say of themselves."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from core.config import REPOSITORY
from scripts.module_table import folders, table

OURS = {"core", "worker", "api", "cli", "tailor_client", "pretrain", "bench", "tests"}
MOST_MODULES = 13  # a folder that has more is hard to find one's way in
# What each part may import of ours; a part is a package or a folder of one.
MAY_IMPORT = {
    "core": ("core",),
    "core/storage": ("core.storage", "core.errors"),
    "core/models": ("core.models", "core.record", "core.errors", "core.storage"),
    "core/diffusion": (
        "core.diffusion",
        "core.errors",
        "core.models.fit",
        "core.models.location",
        "core.models.parameters",
        "core.models.tail_file",
        "core.models.words",
    ),
    "worker": ("core", "worker"),
    "worker/engine": ("worker.engine", "core.diffusion", "core.errors"),
    "worker/serving": ("core", "worker.serving", "worker.engine", "worker.served_models"),
    "api": ("core", "api"),
    "cli": ("core", "cli", "tailor_client"),
    "client/tailor_client": ("tailor_client",),
}
# What the engine must not know of, so that it can be lifted out as a library
WITHOUT_TORCH = ("api", "cli", "core/forecast", "core/jobs", "core/live", "core/models", "core/storage")
NOT_THE_ENGINES = {"celery", "kombu", "redis", "boto3", "botocore", "fastapi", "structlog"}


def imports(folder: str) -> set[str]:
    """Return the dotted names of all modules that a folder's modules import."""
    names: set[str] = set()
    for path in (REPOSITORY / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def is_within(name: str, parts: tuple[str, ...]) -> bool:
    return any(name == part or name.startswith(f"{part}.") for part in parts)


@pytest.mark.parametrize("folder", MAY_IMPORT)
def test_imports_run_one_way(folder: str) -> None:
    ours = {name for name in imports(folder) if name.split(".")[0] in OURS}

    assert {name for name in ours if not is_within(name, MAY_IMPORT[folder])} == set()


def test_the_engine_knows_nothing_of_queues_storage_or_http() -> None:
    assert {name.split(".")[0] for name in imports("worker/engine")} & NOT_THE_ENGINES == set()


@pytest.mark.parametrize("folder", WITHOUT_TORCH)
def test_only_what_computes_imports_torch(folder: str) -> None:
    assert {name.split(".")[0] for name in imports(folder)} & {"torch", "diffusers", "transformers"} == set()


def test_the_page_of_modules_is_what_the_modules_say() -> None:
    assert (REPOSITORY / "docs" / "modules.md").read_text() == table()


@pytest.mark.parametrize("folder", folders(), ids=lambda folder: folder.relative_to(REPOSITORY).as_posix())
def test_a_folder_can_be_taken_in_at_a_glance(folder: Path) -> None:
    modules = {path.name for path in folder.glob("*.py")} - {"__init__.py"}

    assert len(modules) <= MOST_MODULES, sorted(modules)
