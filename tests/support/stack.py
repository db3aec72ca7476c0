"""All of Tailor as `tailor up` runs it: Redis, a worker with the embedded model, the API."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from core.config import REPOSITORY

SAMPLE = REPOSITORY / "samples" / "dog.png"
PATIENCE_S = 150.0  # two busy cores; a test that waits so long has failed

# A dead worker is noticed soon, so that a test of it need not wait for long.
QUICK_LIFE = {
    "TAILOR_LEASE_S": "3",
    "TAILOR_RENEW_S": "0.5",
    "TAILOR_RECONCILE_S": "0.5",
    "TAILOR_CHECKPOINT_S": "0.5",
}


@dataclass
class RunningStack:
    """A running `tailor up` and a client for its API."""

    data: Path
    process: subprocess.Popen[bytes]
    client: httpx.Client

    def pid(self, name: str) -> int:
        """Return the process id that a service has now."""
        return int(json.loads((self.data / "server.json").read_text())["pids"][name])

    def kill(self, name: str) -> None:
        """Kill a service at once, and wait until the supervisor has started it again."""
        before = self.pid(name)
        os.kill(before, signal.SIGKILL)
        self.wait_for(lambda: self.pid(name) != before, f"{name} to be started again")

    def personalize(self, **fields: Any) -> dict[str, Any]:
        """Post the sample picture; returns the job."""
        fields = {"prompt": "a standing dog"} | fields
        answer = self.client.post("/personalize", files={"picture": SAMPLE.read_bytes()}, data=fields)
        assert answer.status_code == 202, answer.text
        return dict(answer.json())

    def edit(self, **fields: Any) -> dict[str, Any]:
        """Post an edit; returns the job."""
        answer = self.client.post("/edit", json=fields)
        assert answer.status_code == 202, answer.text
        return dict(answer.json())

    def job(self, job_id: str) -> dict[str, Any]:
        """Return a job; patient with an API that is just being started again."""
        answer: list[httpx.Response] = []

        def ask() -> bool:
            try:
                answer[:] = [self.client.get(f"/jobs/{job_id}", headers={"Prefer": "wait=5"})]
            except httpx.TransportError:
                return False
            return answer[0].status_code == 200

        self.wait_for(ask, f"an answer about {job_id}")
        return dict(answer[0].json())

    def until_step(self, job_id: str, step: int) -> None:
        """Wait until a running job has done so many steps."""
        self.wait_for(lambda: self._step(job_id) >= step, f"step {step} of {job_id}")

    def _step(self, job_id: str) -> int:
        return int(self.client.get(f"/jobs/{job_id}").json()["step"])

    def ended(self, job_id: str) -> dict[str, Any]:
        """Wait for a job's end and return the job."""
        last: dict[str, Any] = {}

        def has_ended() -> bool:
            last.update(self.job(job_id))
            return last["status"] in ("succeeded", "failed", "canceled")

        self.wait_for(has_ended, f"the end of {job_id}")
        return last

    def succeeded(self, job_id: str) -> dict[str, Any]:
        """Wait for a job's success and return the job."""
        job = self.ended(job_id)
        assert job["status"] == "succeeded", job
        return job

    def metric(self, name: str) -> float:
        """Return a metric without labels, or the sum over its labels."""
        lines = [
            line for line in self.client.get("/metrics").text.splitlines() if line.split("{")[0].split(" ")[0] == name
        ]
        assert lines, f"there is no metric {name}"
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines)

    def wait_for(self, happened: Callable[[], bool], what: str) -> None:
        """Ask until it has happened; the processes are others', so there is no event to wait for."""
        end = time.monotonic() + PATIENCE_S
        while not happened():
            assert self.process.poll() is None, f"tailor up ended while waiting for {what}"
            assert time.monotonic() < end, f"waited in vain for {what}"
            time.sleep(0.05)


@contextmanager
def running_stack(data: Path, **env: str) -> Iterator[RunningStack]:
    """Run `tailor up` on a free port until the block ends; yields when it is ready."""
    command = [sys.executable, "-m", "cli", "up", "--data", str(data), "--port", "0"]
    with (data.parent / f"{data.name}.log").open("wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, cwd=REPOSITORY, env=os.environ | QUICK_LIFE | env, start_new_session=True
        )
    try:
        with httpx.Client(timeout=30) as client:
            stack = RunningStack(data, process, client)
            stack.wait_for((data / "server.json").exists, "server.json")
            client.base_url = httpx.URL(json.loads((data / "server.json").read_text())["url"])
            stack.wait_for(lambda: _is_ready(client), "a worker that has published its model")
            yield stack
    finally:
        process.terminate()
        process.wait(timeout=60)


def _is_ready(client: httpx.Client) -> bool:
    try:
        return bool(client.get("/readyz").json()["models"])
    except (httpx.TransportError, ValueError, KeyError):
        return False
