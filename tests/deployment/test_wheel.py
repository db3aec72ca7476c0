"""`pip install dist/*.whl` gives a working `tailor` outside of the checkout, and a bare one that says what it lacks."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.deployment.files import REPOSITORY
from tests.deployment.folder_image import write_tools

pytestmark = pytest.mark.slow
PATIENCE_S = 120.0
BESIDE_MODULES = ("api", "core", "worker", "cli")
LEFT_BEHIND = {"models/critters/judges/judge_a.safetensors", "models/critters/judges/judge_b.safetensors"}


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """What `make dist` makes, from the files that git knows."""
    folder = tmp_path_factory.mktemp("dist")
    for name in _tracked(
        "pyproject.toml", "README.md", "LICENSE", "NOTICE", *BESIDE_MODULES, "client", "models", "samples"
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(REPOSITORY / name, folder / name)
    _run(folder, "pip", "wheel", "--no-deps", "--wheel-dir", "dist", ".", "./client", "./models")
    return sorted((folder / "dist").glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheels: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `tailor` of an environment with all wheels and what they need."""
    return _environment(tmp_path_factory.mktemp("installed"), wheels)


@pytest.fixture(scope="module")
def bare(wheels: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `tailor` of an environment without the wheel of the model."""
    return _environment(tmp_path_factory.mktemp("bare"), [wheel for wheel in wheels if "critters" not in wheel.name])


def _environment(folder: Path, wheels: list[Path]) -> Path:
    _run(folder, "python", "-m", "venv", "--without-pip", "venv")
    _run(folder, "pip", "--python", "venv/bin/python", "install", *map(str, wheels))
    return folder / "venv" / "bin" / "tailor"


def _run(folder: Path, *command: str) -> None:
    tools = write_tools(folder / "tools")
    done = subprocess.run(
        [str(tools / command[0]), *command[1:]], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _tracked(*paths: str) -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *paths],
        cwd=REPOSITORY, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [name for name in listed.stdout.splitlines() if (REPOSITORY / name).exists()]


def _environ(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TAILOR_", "PYTHON"))}
    return kept | more


@contextmanager
def _up(tailor: Path, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / "up.log").open("wb") as log:
        process = subprocess.Popen(
            [str(tailor), "up", "--port", "0"], cwd=folder, env=_environ(), stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)
        sys.stdout.write((folder / "up.log").read_text())


def _tailor(tailor: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(tailor), *words], cwd=folder, env=_environ(), capture_output=True, text=True, check=False
    )


def test_the_wheels_hold_every_file_that_stands_beside_the_modules(wheels: list[Path]) -> None:
    held = {name for wheel in wheels for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}

    code = set(_tracked(*BESIDE_MODULES))
    client = {name.removeprefix("client/") for name in _tracked("client/tailor_client")}
    model = {
        name.replace("models/critters/", "tailor_critters/model/")
        for name in set(_tracked("models/critters")) - LEFT_BEHIND
    }
    assert held == code | client | model | {"tailor_critters/samples/dog.png"}


def test_an_installation_outside_of_the_checkout_runs_everything(installed: Path, tmp_path: Path) -> None:
    # Folders of these names, such as anybody may have, must not be taken for Tailor's packages.
    for name in BESIDE_MODULES:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise ImportError('not Tailor')\n")
    picture = next(installed.parents[1].rglob("tailor_critters/samples/dog.png"))
    with _up(installed, tmp_path) as process:
        end = time.monotonic() + PATIENCE_S
        while "ready: " not in (tmp_path / "up.log").read_text():
            assert process.poll() is None, "it ended"
            assert time.monotonic() < end, "it did not become ready"
            time.sleep(0.1)

        learned = _tailor(installed, tmp_path, "personalize", str(picture), "a standing dog", "--steps", "5", "--json")
        made = _tailor(installed, tmp_path, "edit", json.loads(learned.stdout)["tail_id"], "a sitting dog", "-o", "out")

    assert made.returncode == 0, made.stderr
    assert len(list((tmp_path / "out").glob("*.png"))) == 1


@pytest.mark.parametrize("command", ["up", "demo"])
def test_a_bare_installation_says_in_one_line_what_it_lacks(bare: Path, tmp_path: Path, command: str) -> None:
    done = _tailor(bare, tmp_path, command)

    assert done.returncode == 3
    [line] = done.stderr.splitlines()
    assert line.startswith("tailor: a worker needs torch, diffusers, transformers, accelerate: install")
    assert "tailor-critters" in line
    assert list(tmp_path.iterdir()) == []
