from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.contract.__main__ import CONFIG, command, environment
from tests.contract.stack import served

LEAST_CASES = 1500  # all operations give some 1,800; far fewer means that a phase has found nothing to do


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_real_server_does_what_its_document_says(tmp_path: Path) -> None:
    config = tmp_path / "short.toml"
    config.write_text(CONFIG.read_text() + CONFIG.with_name("short.toml").read_text())
    with served(tmp_path) as contract:
        words = command(contract, "--seed", "1", config=config)
        run = subprocess.run(
            words, cwd=tmp_path, env=environment(contract), capture_output=True, text=True, check=False
        )
        log = contract.log.read_text()
    assert run.returncode == 0, f"{run.stdout[-6000:]}\n{run.stderr[-2000:]}\n{log[-4000:]}"
    cases = re.search(r"(\d+) generated, (\d+) passed", run.stdout)
    assert cases, run.stdout[-2000:]
    assert int(cases[1]) >= LEAST_CASES
