"""The examples, run as their readers would."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from core.config import REPOSITORY
from tests.api.serving import picture

FOLDER = REPOSITORY / "examples"
RUN_BY = {".sh": "bash", ".py": sys.executable, ".mjs": "node"}
EXAMPLES = sorted(path.name for path in FOLDER.iterdir() if path.suffix in RUN_BY)


def program_of(name: str) -> str:
    program = shutil.which(RUN_BY[Path(name).suffix])
    if program is None:
        pytest.skip("node is not installed")
    if program.endswith("node"):
        version = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout
        if int(version.strip("v\n").partition(".")[0]) < 18:
            pytest.skip(f"node {version.strip()} is too old: fetch came with 18")
    return program


@pytest.mark.usefixtures("working")
@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_saves_its_pictures(api: httpx.Client, name: str, tmp_path: Path) -> None:
    (tmp_path / "samples").symlink_to(REPOSITORY / "samples")
    environment = os.environ | {"TAILOR_URL": str(api.base_url).rstrip("/")}
    command = [program_of(name), str(FOLDER / name)]

    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    assert ran.returncode == 0, ran.stdout + ran.stderr
    for number in (0, 1):
        assert f"sitting-{number}.png" in ran.stdout
        assert (tmp_path / f"sitting-{number}.png").read_bytes() == picture("red")


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_fails_with_a_problems_own_words(api: httpx.Client, name: str, tmp_path: Path) -> None:
    bad = tmp_path / "dog.png"
    bad.write_bytes(b"no picture")
    environment = os.environ | {"TAILOR_URL": str(api.base_url).rstrip("/")}
    command = [program_of(name), str(FOLDER / name), str(bad)]

    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    said = ran.stdout + ran.stderr + "".join(path.read_text() for path in tmp_path.glob("job.json"))
    assert ran.returncode != 0
    assert "JPEG, PNG or WebP" in said, said


def test_the_readme_names_every_example() -> None:
    assert sorted(re.findall(r"examples/(\S+)", (FOLDER / "README.md").read_text())) == EXAMPLES
