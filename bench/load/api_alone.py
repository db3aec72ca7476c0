"""Redis and the API without a worker, with a published model: what the API is measured in alone."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil

from cli.embedded import EmbeddedRedis
from cli.up import claim_port
from core.config import REPOSITORY, Settings
from core.models.info import ModelInfo
from core.models.recipes import FAST
from core.services import open_services

TOKENIZER = REPOSITORY / "models" / "critters" / "tokenizer" / "tokenizer.json"


@contextmanager
def served(folder: Path) -> Iterator[tuple[str, psutil.Process]]:
    """Run Redis and the API with a published model and room for any number of jobs; yields its URL and process."""
    redis = EmbeddedRedis.in_folder(folder / "redis")
    port = claim_port("127.0.0.1", 0)
    url = f"http://127.0.0.1:{port}"
    env = {"TAILOR_STORAGE": str(folder / "storage"), "TAILOR_REDIS_URL": redis.url, "TAILOR_MAX_QUEUED": "1000000"}
    command = [sys.executable, "-m", "uvicorn", "api.app:app", "--http", "api.connections:Connection"]
    command += ["--port", str(port), "--no-access-log"]
    with (folder / "redis.log").open("wb") as redis_log, (folder / "api.log").open("wb") as api_log:
        servers = [subprocess.Popen(redis.command, stdout=redis_log, stderr=redis_log)]  # noqa: S603 - our own commands
        try:
            wait_until(redis.answers)
            publish(Settings(_env_file=None, storage=env["TAILOR_STORAGE"], redis_url=redis.url))
            servers.append(
                subprocess.Popen(command, env=os.environ | env, cwd=REPOSITORY, stdout=api_log, stderr=api_log)  # noqa: S603
            )
            wait_until(lambda: _answers(url))
            yield url, psutil.Process(servers[-1].pid)
        finally:
            for server in reversed(servers):
                server.terminate()
                server.wait(timeout=30)
            redis.remove_socket()


def publish(settings: Settings) -> None:
    """Do what a worker does with a model whose pictures have 512 pixels a side."""
    info = ModelInfo(
        name="critters", hash="c0ffee", image_size=512, sequence_length=32, width=192, recipes={"fast": FAST}
    )
    open_services(settings).registry.publish(info, TOKENIZER.read_bytes())


def wait_until(happened: Callable[[], bool]) -> None:
    """Ask until it has happened; the servers are other processes."""
    while not happened():
        time.sleep(0.05)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz").status_code == 200
    except httpx.TransportError:
        return False
