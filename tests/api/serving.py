"""The API as a client meets it: TCP, a real Redis, real storage, and a worker that only pretends to learn."""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from PIL import Image

from api.app import create_app
from api.connections import Connection
from core.clock import utc_now
from core.config import REPOSITORY, Settings
from core.errors import GoneError, NotFoundError
from core.jobs import keys
from core.jobs.attempts import Attempt
from core.jobs.claims import Claims
from core.jobs.records import JobEnd, JobKind, JobStatus
from core.live.names import LINES
from core.models.info import ModelInfo
from core.models.recipes import FAST, PAPER
from core.services import Services
from tests.api.documented import check_documented
from tests.support.ports import free_ports

EVENT_LOOP = "event-loop"  # the name of the thread that must never block
TOKENIZER = REPOSITORY / "models" / "critters" / "tokenizer" / "tokenizer.json"
MODEL = ModelInfo(
    name="critters",
    hash="c0ffee",
    image_size=64,
    sequence_length=32,
    width=192,
    recipes={"fast": FAST, "paper": PAPER},
)


def serving_settings(folder: Path, redis_url: str, **more: Any) -> Settings:
    """Return settings that read nothing from the environment of who runs the tests."""
    return Settings(_env_file=None, storage=str(folder), redis_url=redis_url, models="", reconcile_s=0.5, **more)


@contextmanager
def api_server(settings: Settings, *, graceful_s: int = 1) -> Iterator[httpx.Client]:
    """Serve the API with uvicorn on a free port; yields a client that fails on what the OpenAPI document denies."""
    port = free_ports(1)[0]
    how: dict[str, Any] = {"http": Connection, "log_level": "warning", "timeout_graceful_shutdown": graceful_s}
    config = uvicorn.Config(create_app(settings), port=port, **how)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name=EVENT_LOOP)
    thread.start()
    try:
        with httpx.Client(
            base_url=f"http://127.0.0.1:{port}",
            timeout=30,
            transport=httpx.HTTPTransport(retries=5),
            event_hooks={"response": [check_documented]},
        ) as client:
            _wait_until_it_serves(client, thread)
            yield client
    finally:
        server.should_exit = True
        thread.join(timeout=20)


def _wait_until_it_serves(client: httpx.Client, thread: threading.Thread) -> None:
    while True:
        try:
            client.get("/healthz")
        except httpx.ConnectError:
            assert thread.is_alive(), "the server ended while it was starting"
        else:
            return


def publish(services: Services, info: ModelInfo = MODEL) -> None:
    """Do what a worker does when it has loaded a model."""
    services.registry.publish(info, TOKENIZER.read_bytes())


def picture(color: str = "teal", size: tuple[int, int] = (80, 60), format_: str = "PNG") -> bytes:
    """Return a picture of one color as a file."""
    buffer = io.BytesIO()
    Image.new("RGB", size, color).save(buffer, format_)
    return buffer.getvalue()


@dataclass
class PretendingWorker:
    """Takes jobs, reports progress and ends them through the same calls as the real worker."""

    services: Services

    def take(self, job_id: str, kind: JobKind = "personalize") -> Attempt:
        """Claim this very job; others that come first are canceled."""
        claims = Claims(self.services.jobs, "pretender", lambda: {MODEL.hash})
        while attempt := claims.take(kind):
            if attempt.spec.id == job_id:
                return attempt
            with suppress(NotFoundError, GoneError):  # of a test that took its storage away
                self.services.jobs.cancel(attempt.spec.id)
        raise AssertionError(f"{job_id} is not in its line")

    def progress(self, attempt: Attempt, step: int, steps: int) -> None:
        """Report a step."""
        self.services.live.records.progress(
            attempt.spec.id, attempt.number, {"step": step, "steps": steps, "loss": 0.5, "eta_s": 2.0}
        )

    def succeed(self, attempt: Attempt, tail: bytes = b"tail bytes") -> None:
        """End a job with what it makes: a tail, or as many pictures as an edit wants."""
        if attempt.spec.kind == "personalize":
            key = attempt.key("tail.safetensors")
            self.services.storage.put(key, tail)
            receipt = {"tail_sha256": hashlib.sha256(tail).hexdigest()}
            self._end(attempt, tail_key=key, output_bytes=len(tail), receipt=receipt)
            return
        wanted = attempt.spec.edit.num_images if attempt.spec.edit else 0
        if attempt.spec.sweep:
            wanted = attempt.spec.sweep.size
        names = [attempt.key(f"{i}.png") for i in range(wanted)]
        for name in names:
            self.services.storage.put(name, picture("red"), "image/png")
        grid = names[0] if attempt.spec.sweep else None
        size, receipt = len(names) * len(picture("red")), {"model": attempt.spec.model}
        self._end(attempt, result_keys=tuple(names), grid_key=grid, output_bytes=size, receipt=receipt)

    def fail(self, attempt: Attempt, detail: str) -> None:
        """End a job as failed."""
        self.services.jobs.fail(attempt.spec, "not-finite", "Not finite", detail, attempt=attempt.number)

    def _end(self, attempt: Attempt, **made: Any) -> None:
        end = JobEnd(
            job_id=attempt.spec.id, status=JobStatus.SUCCEEDED, ended_at=utc_now(), attempt=attempt.number, **made
        )
        assert self.services.jobs.finish(attempt.spec, end)


@contextmanager
def working_at(services: Services, worker: PretendingWorker) -> Iterator[None]:
    """Let a worker end everything that comes with success."""
    done = threading.Event()

    def work() -> None:
        claims = Claims(services.jobs, "pretender", lambda: {MODEL.hash})
        while not done.wait(0.05):
            for line in LINES:
                while attempt := claims.take(line):
                    worker.succeed(attempt)

    thread = threading.Thread(target=work)
    thread.start()
    yield
    done.set()
    thread.join()


def personalize(api: httpx.Client, *, headers: dict[str, str] | None = None, **fields: Any) -> httpx.Response:
    """Send the usual personalization, as a form."""
    fields = {"prompt": "a standing dog"} | fields
    return api.post("/personalize", data=fields, files={"picture": ("dog.png", picture())}, headers=headers)


def edit(api: httpx.Client, tail_id: str, *, headers: dict[str, str] | None = None, **fields: Any) -> httpx.Response:
    """Send the usual edit, as JSON."""
    return api.post("/edit", json={"tail_id": tail_id, "prompt": "a sitting dog"} | fields, headers=headers)


def input_key(services: Services, job_id: str) -> str:
    """Return the key of the picture that a job was accepted with."""
    found = [info.key for info in services.storage.list(keys.job(job_id)) if "input" in info.key]
    assert len(found) == 1
    return found[0]
