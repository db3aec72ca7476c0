"""A server to be held to its document: the API in a process of its own, a real Redis, a real S3 server."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
from redis.exceptions import RedisError

from core.access.keyring import Keyring
from core.config import REPOSITORY, Settings
from core.errors import TailorError
from core.jobs.claims import Claims
from core.live.names import LINES
from core.services import Services, open_services
from tests.api.serving import MODEL, PretendingWorker, picture, publish
from tests.support.ports import free_ports
from tests.support.receiver import Asked, Receiver, Reply, receiver
from tests.support.redis_server import redis_server
from tests.support.s3_server import S3Endpoint, s3_server


@dataclass(frozen=True)
class Contract:
    """A running server, a key for it, and who its webhooks and pictures by URL lead to."""

    url: str
    key: str
    receiver: Receiver
    process: subprocess.Popen[bytes]
    log: Path


@contextmanager
def served(folder: Path) -> Iterator[Contract]:
    """Serve until the block ends. Keys are wanted, as on any server that others reach; nothing bounds how often."""
    with redis_server() as redis, s3_server() as s3, receiver(_answer) as asked:
        environment = _environment(redis.url, s3)
        services = open_services(Settings(_env_file=None, **_settings(environment)))
        publish(services)
        _, key = Keyring(services.storage).create("contract", ["submit", "read"], datetime.now(UTC))
        port = free_ports(1)[0]
        command = [sys.executable, "-m", "uvicorn", "api.app:app", "--port", str(port), "--log-level", "warning"]
        log = folder / "api.log"
        with log.open("wb") as output, _working(services):
            process = subprocess.Popen(
                command, cwd=REPOSITORY, env=os.environ | environment, stdout=output, stderr=output
            )
            try:
                _wait_until_it_serves(process, url := f"http://127.0.0.1:{port}")
                yield Contract(url, key, asked, process, log)
            finally:
                process.terminate()
                process.wait(timeout=60)


def _environment(redis_url: str, s3: S3Endpoint) -> dict[str, str]:
    return {
        "TAILOR_REDIS_URL": redis_url,
        "TAILOR_STORAGE": "s3://contract",
        "TAILOR_S3_ENDPOINT_URL": s3.endpoint_url,
        "TAILOR_S3_ACCESS_KEY": s3.access_key,
        "TAILOR_S3_SECRET_KEY": s3.secret_key,
        "TAILOR_MODELS": "",
        "TAILOR_RECONCILE_S": "0.5",
        "TAILOR_REQUIRE_KEYS": "always",
        "TAILOR_RATE_SUBMISSIONS": "",
        "TAILOR_RATE_REQUESTS": "",
        "TAILOR_ALLOWED_INNER_HOSTS": "127.0.0.1",
    }


def _settings(environment: dict[str, str]) -> dict[str, str]:
    return {name.removeprefix("TAILOR_").lower(): value for name, value in environment.items()}


def _answer(asked: Asked) -> Reply:
    return Reply(body=picture("navy"), headers={"Content-Type": "image/png"}) if asked.method == "GET" else Reply()


@contextmanager
def _working(services: Services) -> Iterator[None]:
    """Let a worker end everything that comes with success."""
    done, worker = threading.Event(), PretendingWorker(services)

    def work() -> None:
        claims = Claims(services.jobs, "pretender", lambda: {MODEL.hash})
        while not done.wait(0.05):
            with suppress(RedisError, TailorError):  # on a busy machine they may take longer than one waits for them
                for line in LINES:
                    while attempt := claims.take(line):
                        with suppress(AssertionError):  # it was canceled or deleted meanwhile
                            worker.succeed(attempt)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _wait_until_it_serves(process: subprocess.Popen[bytes], url: str) -> None:
    transport = httpx.HTTPTransport(retries=5)
    with httpx.Client(transport=transport, timeout=30) as client:
        while True:
            try:
                client.get(f"{url}/healthz").raise_for_status()
            except httpx.ConnectError:
                assert process.poll() is None, "the API ended while it was starting"
            else:
                return
