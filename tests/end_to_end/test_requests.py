"""What one edit asks of storage, request by request, over the real API and what a worker runs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

import core.services
from core.config import Settings
from core.diffusion.backbone import load_backbone
from core.jobs.claims import Claims
from core.services import open_services
from tests.api.serving import api_server, edit, personalize
from tests.support.recording_storage import RecordingStorage, Request
from tests.support.redis_server import redis_server
from tests.support.s3_server import s3_server
from worker.engine import Engine
from worker.model_cache import ModelCache
from worker.model_publisher import publish_models
from worker.served_models import ServedModels
from worker.serving.runner import Runner
from worker.serving.seat import NoSeat

MEMORY = 2**30


@dataclass(frozen=True)
class Service:
    """An API and a worker, and what both have asked of storage so far."""

    api: httpx.Client
    worker: Runner
    requests: list[Request]

    def edit(self, tail_id: str, **fields: Any) -> list[Request]:
        """Return what an edit asks from its acceptance to its end, and what its tail is asked for it."""
        first = len(self.requests)
        job = edit(self.api, tail_id, num_inference_steps=1, **fields).json()
        self.worker.work("edit")
        made = self.requests[first:]
        assert self.api.get(f"/jobs/{job['id']}").json()["status"] == "succeeded"
        called = {job["id"].removeprefix("job_"): "EDIT", tail_id.removeprefix("tail_"): "TAIL"}
        return [(method, _plain(key, called)) for method, key in made if any(each in key for each in called)]


def _plain(key: str, called: dict[str, str]) -> str:
    for job, name in called.items():
        key = key.replace(job, name)
    return re.sub(r"out\d+$", "outSIZE", re.sub(r"\d{6,}T?\d*", "TIME", key))


@contextmanager
def stored_at(kind: str, folder: Path) -> Iterator[dict[str, str]]:
    """Yield the settings of a storage."""
    if kind == "folder":
        yield {"storage": str(folder)}
        return
    with s3_server() as s3:
        keys = {"s3_access_key": s3.access_key, "s3_secret_key": s3.secret_key}
        yield {"storage": "s3://tailor/all", "s3_endpoint_url": s3.endpoint_url, **keys}


@pytest.fixture(params=["folder", "s3"])
def service(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    requests: list[Request] = []
    opened = core.services.open_storage
    monkeypatch.setattr(
        core.services, "open_storage", lambda *args, **more: RecordingStorage(opened(*args, **more), requests)
    )
    with stored_at(request.param, tmp_path / "storage") as storage, redis_server() as redis:
        # A pass of the reconciler asks for what is due, not for a job: none is made while an edit is under way.
        about: dict[str, Any] = {"redis_url": redis.url, "models": "", "reconcile_s": 1000, "lease_s": 1000}
        settings = Settings(_env_file=None, **storage, **about)
        engine = Engine(max_batch=8, num_threads=1)
        engine.start()
        worker = a_worker(settings, engine)
        with api_server(settings) as api:
            yield Service(api, worker, requests)
        engine.stop()


def a_worker(settings: Settings, engine: Engine) -> Runner:
    services = open_services(settings)
    cache = ModelCache(
        settings.loadable_models,
        budget_bytes=MEMORY,
        load=lambda location, name: load_backbone(location, name=name, device="cpu", dtype="float32"),
    )
    models = ServedModels(cache)
    publish_models(cache, services.registry, models)
    claims = Claims(services.jobs, "w1", lambda: set(models.hashes().values()), can=models.can)
    return Runner(settings, claims, engine, models, seat=NoSeat())


ACCEPTANCE = [
    ("put", "open/TIME-job_EDIT"),
    ("put", "lists/public/edit/TIME/TIME-EDIT.accepted"),
    ("put", "lists/public/tail_TAIL/TIME/TIME-EDIT.accepted"),
    ("create", "jobs/job_EDIT/job.json"),
]
WORK = [
    ("create", "jobs/job_EDIT/attempts/0001.json"),
    ("put", "jobs/job_EDIT/out/0001/0.png"),
    ("create", "jobs/job_EDIT/end.json"),
    ("put", "lists/public/edit/TIME/TIME-EDIT.ended-succeeded-outSIZE"),
    ("delete", "open/TIME-job_EDIT"),
]
LOOK_AT_ITS_TAIL = [
    ("get", "jobs/job_TAIL/job.json"),
    ("get", "jobs/job_TAIL/end.json"),
    ("get", "jobs/job_TAIL/out/0001/tail.safetensors"),
]


def test_an_edit_asks_nine_things_of_storage_and_the_first_with_a_tail_in_a_minute_twelve(service: Service) -> None:
    """Whoever adds one pays it for each edit that is ever made: see docs/design.md, section 5."""
    tail_id = personalize(service.api, steps=1).json()["tail_id"]
    service.worker.work("personalize")

    first, second, third = (service.edit(tail_id) for _ in range(3))

    assert sorted(first) == sorted(LOOK_AT_ITS_TAIL + ACCEPTANCE + WORK)
    assert sorted(second) == sorted(third) == sorted(ACCEPTANCE + WORK)
    assert (len(first), len(second)) == (12, 9)
