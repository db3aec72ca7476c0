from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import httpx
import pytest

from core.config import REPOSITORY
from tests.api.serving import picture


@pytest.mark.usefixtures("working")
def test_the_curl_commands_work_as_they_stand(api: httpx.Client, tmp_path: Path) -> None:
    [commands] = re.findall(r"```sh\n(.*?)```", (REPOSITORY / "docs" / "http.md").read_text(), flags=re.DOTALL)
    (tmp_path / "samples").symlink_to(REPOSITORY / "samples")
    environment = os.environ | {"TAILOR_URL": str(api.base_url).rstrip("/")}
    shell = ["bash", "-euo", "pipefail", "-c", commands]
    ran = subprocess.run(shell, check=True, cwd=tmp_path, env=environment, timeout=60, capture_output=True)
    assert b'data: {"status":"succeeded"}' in ran.stdout
    assert (tmp_path / "dog.safetensors").read_bytes() == b"tail bytes"
    assert json.loads((tmp_path / "edit.json").read_text())["status"] == "succeeded"
    assert [(tmp_path / f"edit-{i}.png").read_bytes() for i in (1, 2, 3, 4)] == [picture("red")] * 4
