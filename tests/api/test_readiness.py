"""What probes hear when storage can't be written, and what requests leave there."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from api import app as app_module
from api import readiness
from core import clock as clock_module
from core.config import Settings
from core.services import Services, open_services
from tests.api.problems import check
from tests.api.serving import EVENT_LOOP, api_server, personalize, publish, serving_settings
from tests.support.redis_server import redis_server
from tests.support.small_disk import fill, free, small_disk

ROUNDS = 34


@contextmanager
def server_writing_with(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, put: Callable[..., None]
) -> Iterator[httpx.Client]:
    """Serve with a storage whose `put` is `put(the real one, key, data, ...)`."""

    def opened(settings: Settings) -> Services:
        opened = open_services(settings)
        real = opened.storage.put
        monkeypatch.setattr(opened.storage, "put", lambda *args: put(real, *args))
        return opened

    monkeypatch.setattr(app_module, "open_services", opened)
    with api_server(settings) as api:
        yield api


def test_a_full_disk_is_not_ready_and_refused_requests_leave_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "WRITE_EVERY_S", 0)
    with small_disk(tmp_path / "disk", 4) as disk, redis_server() as redis:
        settings = serving_settings(disk / "storage", redis.url)
        services = open_services(settings)
        publish(services)
        with api_server(settings) as api, ThreadPoolExecutor(ROUNDS) as pool:
            assert api.get("/readyz").status_code == 200
            before = sorted(disk.rglob("*"))
            fill(disk)
            for answer in pool.map(lambda _: personalize(api), range(ROUNDS)):
                check(answer, 503, "storage-unavailable")
            document = check(api.get("/readyz"), 503, "storage-unavailable")
            assert document["storage"] is False
            assert "written" in document["detail"]
            assert document["redis"] is True
            free(disk)
            assert [path for path in sorted(disk.rglob("*")) if path not in before and path.is_file()] == []
            assert api.get("/readyz").status_code == 200
            assert personalize(api).status_code == 202


def test_probes_share_one_write_in_some_seconds(
    settings: Settings, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []

    def put(real: Callable[..., None], key: str, *args: Any) -> None:
        written.append(key)
        real(key, *args)

    monkeypatch.setattr(readiness, "WRITE_EVERY_S", 3600)
    with server_writing_with(monkeypatch, settings, put) as api, ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: api.get("/readyz"), range(60)))
    assert {answer.status_code for answer in answers} == {200}
    assert written == [readiness.WRITE_KEY]


def test_a_write_that_hangs_holds_no_probe_up(
    settings: Settings, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    hangs, threads = threading.Event(), set[str]()

    def put(real: Callable[..., None], key: str, *args: Any) -> None:
        threads.add(threading.current_thread().name)
        assert hangs.wait(60)
        real(key, *args)

    monkeypatch.setattr(readiness, "PATIENCE_S", 0.2)
    monkeypatch.setattr(readiness, "WRITE_EVERY_S", 0)
    with server_writing_with(monkeypatch, settings, put) as api:
        try:
            for _ in range(3):
                document = check(api.get("/readyz"), 503, "storage-unavailable")
                assert "not answered" in document["detail"]
            assert api.get("/healthz").status_code == 200
        finally:
            hangs.set()
        while api.get("/readyz").status_code != 200:
            pass
        hangs.clear()
        try:
            assert api.get("/readyz").status_code == 200, "it was written to a moment ago: slow, but there"
        finally:
            hangs.set()
    assert EVENT_LOOP not in threads


def test_processes_whose_clocks_are_wrong_are_named_and_that_is_no_reason_to_refuse_jobs(
    settings: Settings, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    hour = 3600.0
    services.live.workers.beat("right", {"clock_skew_s": -0.3}, ttl_s=60)
    services.live.workers.beat("late", {"clock_skew_s": -hour}, ttl_s=60)
    wrong = SimpleNamespace(time=lambda: time.time() + hour, monotonic=time.monotonic)
    try:
        with api_server(settings) as api:
            assert api.get("/readyz").json()["clocks_off_s"] == {"late": -hour}
            monkeypatch.setattr(clock_module, "time", wrong)
            answer = api.get("/readyz")
            assert answer.status_code == 200
            assert {name: round(off / hour) for name, off in answer.json()["clocks_off_s"].items()} == {
                "api": 1,
                "late": -1,
            }
    finally:
        for worker in ("right", "late"):
            services.live.workers.leave(worker)
