from __future__ import annotations

import os
import re
import subprocess
import threading
from pathlib import Path

import httpx

from core.config import REPOSITORY
from core.jobs.claims import Claims
from core.jobs.records import KINDS
from core.services import Services
from tests.api.serving import MODEL, PretendingWorker, picture


def test_the_curl_commands_work_as_they_stand(
    api: httpx.Client, services: Services, worker: PretendingWorker, tmp_path: Path
) -> None:
    [commands] = re.findall(r"```sh\n(.*?)```", (REPOSITORY / "docs" / "http.md").read_text(), flags=re.DOTALL)
    (tmp_path / "dog.png").write_bytes(picture())
    done = threading.Event()

    def work() -> None:
        claims = Claims(services.jobs, "pretender", lambda: {MODEL.hash})
        while not done.wait(0.1):
            for kind in KINDS:
                if attempt := claims.take(kind):
                    worker.succeed(attempt)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        environment = os.environ | {"TAILOR": str(api.base_url).rstrip("/")}
        subprocess.run(
            ["bash", "-euo", "pipefail", "-c", commands], check=True, cwd=tmp_path, env=environment, timeout=60
        )
    finally:
        done.set()
        thread.join()
    assert [(tmp_path / f"edit-{i}.png").read_bytes() for i in (1, 2, 3, 4)] == [picture("red")] * 4
