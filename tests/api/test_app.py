from __future__ import annotations

import subprocess
import sys
import threading
from typing import Any, cast

import httpx
import pytest
import redis

from api import app as app_module
from core.config import REPOSITORY, Settings
from core.services import Services, open_services
from tests.api.serving import EVENT_LOOP, PretendingWorker, api_server, edit, personalize
from worker.serving.ends.receipts import receipt

IMPORT_WITHOUT_TORCH = """
import sys
for name in ("torch", "diffusers", "transformers"):
    sys.modules[name] = None  # importing it raises ImportError
import api.app
assert not [m for m in sys.modules if m.startswith(("core.diffusion", "worker"))]
"""


def test_the_api_is_imported_without_torch() -> None:
    subprocess.run([sys.executable, "-c", IMPORT_WITHOUT_TORCH], check=True, cwd=REPOSITORY, timeout=60)


def test_importing_the_app_connects_to_nothing() -> None:
    code = "import socket; socket.socket.connect = None; import api.app; assert api.app.app.routes"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=REPOSITORY, timeout=60)


def test_the_root_page_leads_to_the_documentation(api: httpx.Client) -> None:
    assert 'href="docs"' in api.get("/").text
    assert api.get("/docs").status_code == 200


def test_the_models_are_those_that_workers_published(api: httpx.Client) -> None:
    [model] = api.get("/models").json()
    assert (model["name"], model["hash"], list(model["recipes"])) == ("critters", "c0ffee", ["fast", "paper"])


def test_every_answer_has_a_request_id_and_a_clients_own_is_kept(api: httpx.Client) -> None:
    assert len(api.get("/healthz").headers["X-Request-Id"]) == 16
    assert api.get("/nowhere", headers={"X-Request-Id": "mine-1"}).headers["X-Request-Id"] == "mine-1"
    assert api.get("/healthz", headers={"X-Request-Id": "not good"}).headers["X-Request-Id"] != "not good"


def test_a_bug_is_answered_without_its_inside(api_with_bug: httpx.Client) -> None:
    answer = api_with_bug.get("/models")
    assert (answer.status_code, answer.json()["type"]) == (500, "urn:tailor:problem:internal")
    assert "secret inside" not in answer.text
    assert answer.headers["X-Request-Id"]


@pytest.fixture
def api_with_bug(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Any:
    def crash() -> None:
        raise ZeroDivisionError("secret inside")

    def opened(settings: Settings) -> Services:
        services = open_services(settings)
        monkeypatch.setattr(services.registry, "models", crash)
        return services

    monkeypatch.setattr(app_module, "open_services", opened)
    with api_server(settings) as client:
        yield client


def test_the_metrics_count_requests_jobs_queues_and_batches(
    api: httpx.Client, worker: PretendingWorker, services: Services
) -> None:
    personalize(api)
    calls = {"calls": 10, "rows": 40, "padded_rows": 0, "seconds": 1.0}
    services.live.workers.beat("one", {"engine": {"requests": {"NoiseLoss": calls}, "running": 3}}, ttl_s=60)
    services.live.workers.beat(
        "two", {"engine": {"requests": {"PredictNoise": calls | {"rows": 20}}, "running": 1}}, ttl_s=60
    )
    text = api.get("/metrics").text
    assert 'tailor_http_requests_total{method="POST",route="/personalize",status="202"}' in text
    assert 'tailor_jobs_accepted_total{kind="personalize"}' in text
    assert 'tailor_jobs_queued{kind="edit"}' in text
    assert 'tailor_engine_calls_total{request="NoiseLoss"} 10.0' in text
    assert 'tailor_engine_rows_total{request="PredictNoise"} 20.0' in text
    assert 'tailor_engine_call_seconds_total{request="NoiseLoss"} 1.0' in text
    assert "tailor_engine_mean_batch_size 3.0" in text
    assert "tailor_engine_running_jobs 4.0" in text
    assert "tailor_workers 2.0" in text


def test_readiness_reports_redis_workers_and_models(api: httpx.Client, services: Services) -> None:
    services.live.workers.beat("ready", {}, ttl_s=60)
    seen = api.get("/readyz").json()
    assert (seen["storage"], seen["redis"], seen["models"]) == (True, True, ["critters"])
    assert seen["workers"] >= 1


class WatchedStorage:
    """Passes everything on to a storage, and notes every call that would block the event loop."""

    def __init__(self, inner: Any, blocked: list[str]) -> None:
        self._inner = inner
        self._blocked = blocked

    def __getattr__(self, name: str) -> Any:
        if threading.current_thread().name == EVENT_LOOP:
            self._blocked.append(name)
        return getattr(self._inner, name)


@pytest.fixture
def blocking_calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the list in which every blocking call on the event loop of a server started later is noted."""
    blocked: list[str] = []
    execute = redis.Redis.execute_command

    def opened(settings: Settings) -> Services:
        services = open_services(settings)
        storage = WatchedStorage(services.storage, blocked)
        services.jobs.storage = services.registry.storage = storage
        return Services(**(vars(services) | {"storage": storage}))

    def execute_command(self: redis.Redis, *args: Any, **options: Any) -> Any:
        if threading.current_thread().name == EVENT_LOOP:
            blocked.append(str(args[0]))
        return cast(Any, execute)(self, *args, **options)

    monkeypatch.setattr(app_module, "open_services", opened)
    monkeypatch.setattr(redis.Redis, "execute_command", execute_command)
    return blocked


def test_nothing_blocking_runs_on_the_event_loop(settings: Settings, blocking_calls: list[str]) -> None:
    with api_server(settings) as api:
        job = personalize(api).json()
        waiting = edit(api, job["tail_id"]).json()
        api.get(f"/jobs/{waiting['id']}", headers={"Prefer": "wait=1"})
        for path in ("/readyz", "/metrics", "/models", f"/tails/{job['tail_id']}", f"/jobs/{job['id']}"):
            assert api.get(path).status_code == 200
        api.delete(f"/jobs/{job['id']}")
        assert "canceled" in api.get(f"/jobs/{job['id']}/events").text
        api.delete(f"/tails/{job['tail_id']}")
    assert blocking_calls == []


def test_a_receipts_request_can_be_posted_again_as_it_is(api: httpx.Client, worker: PretendingWorker) -> None:
    tail = personalize(api, seed="3").json()
    worker.succeed(worker.take(tail["id"]))
    job = edit(api, tail["tail_id"], seed=4, tail_scale=0.7, strength=0.5).json()
    attempt = worker.take(job["id"], "edit")
    request = receipt(attempt.spec, tail_sha256="", device="cpu", dtype="float32")["request"]
    again = api.post("/edit", json=request).json()
    assert again["id"] != job["id"]
    assert {k: again[k] for k in ("prompt", "seed", "parameters")} == {
        k: job[k] for k in ("prompt", "seed", "parameters")
    }
