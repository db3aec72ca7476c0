"""What the README tells people to type works as it stands."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from core.config import REPOSITORY
from tests.support.stack import SAMPLE, RunningStack

pytestmark = pytest.mark.slow


def curl_blocks() -> list[str]:
    """Return the README's shell blocks that use curl, in order."""
    blocks = re.findall(r"```bash\n(.*?)```", (REPOSITORY / "README.md").read_text(), flags=re.DOTALL)
    return [block for block in blocks if "curl" in block]


def test_the_curl_commands_of_the_readme_run_as_they_stand(stack: RunningStack, tmp_path: Path) -> None:
    blocks = curl_blocks()
    assert len(blocks) >= 4
    (tmp_path / "samples").symlink_to(REPOSITORY / "samples")
    env = os.environ | {"TAILOR_URL": str(stack.client.base_url).rstrip("/")}

    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(blocks)],
        cwd=tmp_path, env=env, capture_output=True, text=True, timeout=170, check=False,
    )  # fmt: skip

    assert ran.returncode == 0, ran.stdout + ran.stderr
    with Image.open(tmp_path / "sitting.png") as picture:
        assert picture.size == (64, 64)


def test_the_client_of_the_readme_runs(stack: RunningStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (REPOSITORY / "README.md").read_text(), flags=re.DOTALL)
    (block,) = (block for block in blocks if "tailor_client" in block)
    block = block.replace("http://localhost:8000", str(stack.client.base_url)).replace("samples/dog.png", str(SAMPLE))
    monkeypatch.chdir(tmp_path)

    exec(compile(block, "README.md", "exec"), {})

    with Image.open(tmp_path / "sitting.png") as picture:
        assert picture.size == (64, 64)
