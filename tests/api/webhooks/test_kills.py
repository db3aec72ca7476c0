"""Whoever sends webhooks is killed again and again: every one of them arrives.

`WEBHOOK_KILLS=20` makes it longer than a test suite likes.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from standardwebhooks import Webhook

from core.config import REPOSITORY
from core.services import open_services
from tests.api.serving import PretendingWorker, personalize, publish, serving_settings
from tests.api.webhooks.test_webhooks import until
from tests.support.ports import free_ports
from tests.support.receiver import Asked, Receiver, Reply, receiver
from tests.support.redis_server import redis_server

KILLS = int(os.environ.get("WEBHOOK_KILLS", "3"))


@dataclass
class Api:
    """`uvicorn api.app:app` as a process of its own, which can be killed and started again."""

    env: dict[str, str]
    log: Path
    port: int = field(default_factory=lambda: free_ports(1)[0])
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "uvicorn", "api.app:app", "--port", str(self.port), "--log-level", "warning"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, env=os.environ | self.env, stdout=log, stderr=log, cwd=REPOSITORY)
        until(self._answers)

    def _answers(self) -> bool:
        assert self.process
        assert self.process.poll() is None, self.log.read_text()
        try:
            return self.client().get("/healthz").is_success
        except httpx.TransportError:
            return False

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=30)

    def kill(self) -> None:
        assert self.process
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def is_dead(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=30)


@contextmanager
def running(env: dict[str, str], log: Path) -> Iterator[Api]:
    api = Api(env, log)
    try:
        api.start()
        yield api
    finally:
        api.stop()


def killing(api: Api) -> Callable[[Asked], Reply]:
    """Return an endpoint that kills the sender once for each message: before it answers, or just when it has."""
    killed_for: list[str] = []

    def answer(asked: Asked) -> Reply:
        message = asked.headers["webhook-id"]
        if message in killed_for:
            return Reply(204)
        killed_for.append(message)
        if len(killed_for) % 2:
            api.kill()
        else:
            threading.Timer(0.005, api.kill).start()
        return Reply(204)

    return answer


def ids(there: Receiver) -> set[str]:
    return {asked.headers["webhook-id"] for asked in list(there.asked)}


@pytest.mark.slow
@pytest.mark.timeout(180 + 30 * KILLS)
def test_every_webhook_arrives_although_its_sender_is_killed(tmp_path: Path) -> None:
    with redis_server() as redis, receiver() as there:
        settings = serving_settings(tmp_path / "storage", redis.url)
        services = open_services(settings)
        publish(services)
        worker = PretendingWorker(services)
        env = {
            "TAILOR_STORAGE": settings.storage,
            "TAILOR_REDIS_URL": settings.redis_url,
            "TAILOR_MODELS": "",
            "TAILOR_RECONCILE_S": "0.5",
            "TAILOR_ALLOWED_INNER_HOSTS": "127.0.0.1",
            "TAILOR_WEBHOOK_TIMEOUT_S": "1",
        }
        with running(env, tmp_path / "api.log") as api:
            there.answer = killing(api)
            jobs: list[str] = []
            secret = api.client().get("/webhooks/secrets").json()["secrets"][0]
            for _ in range(KILLS):
                jobs.append(personalize(api.client(), webhook=there.url("/?token=t0k3n")).json()["id"])
                worker.succeed(worker.take(jobs[-1]))
                until(api.is_dead)
                api.start()
            wanted = {f"msg_{job_id.removeprefix('job_')}_succeeded" for job_id in jobs}
            there.wait(lambda _: ids(there) == wanted, f"{len(wanted)} webhooks")
            until(lambda: all(_states(api, job_id) == ["delivered"] for job_id in jobs))
            for asked in there.asked:
                assert Webhook(secret).verify(asked.body, asked.headers)["type"] == "job.succeeded"
            said = api.log.read_text()
        assert said.count("webhook.sent") >= 1
        assert "t0k3n" not in said
        assert secret not in said


def _states(api: Api, job_id: str) -> list[str]:
    return [one["state"] for one in api.client().get(f"/jobs/{job_id}/deliveries").json()["items"]]
