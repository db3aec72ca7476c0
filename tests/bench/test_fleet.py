"""What stands in for engine and storage in a fleet that only sleeps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from PIL import Image

from bench.fleet_load.counting import CountingStorage, Counts
from bench.fleet_load.filling import fill
from bench.fleet_load.sleeping import MODEL_HASH, SleepingEngine, seconds_of, sleeping_backbone, sleeping_job_id
from core.config import Settings
from core.images import to_png
from core.jobs import keys
from core.jobs.claims import Claims
from core.jobs.ids import is_job_id, new_job_id
from core.jobs.records import JobSpec, JobStatus
from core.services import open_services
from core.storage import open_storage
from tests.support.job_life import LONG_LEASE_S, Life
from tests.support.redis_server import redis_server
from worker.engine import Engine, HandedBackError, JobCanceledError
from worker.model_cache import ModelCache
from worker.model_publisher import publish_models
from worker.served_models import ServedModels
from worker.serving.runner import Runner
from worker.serving.seat import NoSeat


def routine():  # type: ignore[no-untyped-def]
    yield


def test_a_job_sleeps_as_its_id_says() -> None:
    job_id = sleeping_job_id(0.02)
    assert is_job_id(job_id)
    assert seconds_of(job_id) == 0.02

    engine = SleepingEngine()
    engine.start()
    ticket = engine.submit(routine(), kind="edit", name=job_id)

    assert len(ticket.result(10)) == 1
    assert [report.step for report in ticket.reports()][:1] == [0]


def test_a_sleeper_can_be_canceled_and_handed_back() -> None:
    engine = SleepingEngine()
    engine.start()
    canceled, handed_back = (engine.submit(routine(), kind="edit", name=sleeping_job_id(99)) for _ in range(2))

    canceled.cancel()
    with pytest.raises(JobCanceledError):
        canceled.result(10)
    engine.stop()

    with pytest.raises(HandedBackError):
        handed_back.result(10)


def test_a_worker_that_sleeps_serves_its_model_and_ends_jobs_of_both_kinds(lives: tuple[Life, Life]) -> None:
    life, _ = lives
    settings = Settings(_env_file=None, storage=str(life.folder), redis_url=life.redis_url, models="", reconcile_s=1000)
    services, engine = open_services(settings), SleepingEngine()
    models = ServedModels(ModelCache(settings.loadable_models, load=sleeping_backbone))
    publish_models(models._cache, services.registry, models)
    assert models.hashes() == {"critters": MODEL_HASH}
    claims = Claims(services.jobs, "w1", lambda: {MODEL_HASH}, can=models.can)
    runner = Runner(settings, claims, cast(Engine, engine), models, seat=NoSeat())
    engine.start()
    job_id = sleeping_job_id(0.01)
    tail = life.personalization(id=job_id, picture_key=keys.picture(job_id, "5ad0" * 16), model_hash=MODEL_HASH)
    picture = to_png(Image.new("RGB", (64, 64)))

    life.store.accept(tail, dict.fromkeys(tail.input_keys, picture))
    life.store.announce(tail)
    runner.work("personalize")
    edit = life.accept(life.edit(tail, id=sleeping_job_id(0.01), model_hash=MODEL_HASH))
    runner.work("edit")

    assert [life.status(spec) for spec in (tail, edit)] == [JobStatus.SUCCEEDED] * 2


def test_requests_of_all_processes_are_counted(tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path / "storage"), secret=b"")
    counts = Counts(tmp_path / "counts")
    here, there = (CountingStorage(storage, Counts(tmp_path / "counts"), process) for process in (0, 7))

    here.put("a/b", b"")
    there.create("a/c", b"")
    assert [info.key for info in there.list("a/")] == ["a/b", "a/c"]
    there.url("a/b", expires_s=10, filename="b", content_type="text/plain")

    assert counts.total() == 3


@pytest.fixture
def lives(tmp_path: Path) -> Iterator[tuple[Life, Life]]:
    """Give two fleets that know nothing of each other."""
    with redis_server() as one, redis_server() as other:
        yield (
            Life(tmp_path / "one", one.url, lease_s=LONG_LEASE_S),
            Life(tmp_path / "other", other.url, lease_s=LONG_LEASE_S),
        )


def specs_of_a_backlog(life: Life, count: int) -> list[JobSpec]:
    ids = [new_job_id() for _ in range(count)]
    owners = ["alice", "bob"]
    return [
        life.personalization(id=job_id, picture_key=keys.picture(job_id, "5ad0" * 16), owner=owners[n % 2])
        for n, job_id in enumerate(ids)
    ]


def all_of_redis(life: Life) -> dict[str, Any]:
    """Return every key with its value, without the times of events and what messages have of their own."""
    client: Any = life.live.client
    read = {
        "string": client.get,
        "hash": client.hgetall,
        "set": client.smembers,
        "zset": lambda key: client.zrange(key, 0, -1, withscores=True),
        "list": client.llen,
        "stream": lambda key: [fields for _, fields in client.xrange(key)],
    }
    return {key: read[client.type(key)](key) for key in client.scan_iter()}


def all_of_storage(life: Life) -> dict[str, bytes]:
    return {info.key: life.storage.get(info.key) for info in life.storage.list("")}


@pytest.mark.parametrize(("straight", "count"), [(True, 67), (False, 3)])  # more than 64 get no nudge of their own
def test_jobs_that_are_filled_in_are_as_if_each_had_been_accepted(
    lives: tuple[Life, Life], straight: bool, count: int
) -> None:
    accepted, filled = lives
    specs, picture = specs_of_a_backlog(accepted, count), b"a picture"
    for spec in specs:
        accepted.store.accept(spec, dict.fromkeys(spec.input_keys, picture), shared_id=False)
        accepted.store.announce(spec)

    fill(filled.store, specs, picture, filled.folder if straight else None)

    assert all_of_storage(filled) == all_of_storage(accepted)
    assert all_of_redis(filled) == all_of_redis(accepted)
    attempt = filled.claims().take("personalize")
    assert attempt is not None
    assert attempt.spec == specs[0]
