"""The import of a tail whose API died between the acceptance and the end is ended by a worker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.jobs import keys
from core.jobs.ids import new_job_id
from core.jobs.records import ImportedTail, JobStatus
from tests.support.job_life import Life
from tests.support.redis_server import redis_server
from worker.serving.work import ImportWork


@pytest.fixture
def life(tmp_path: Path) -> Iterator[Life]:
    with redis_server() as endpoint:
        yield Life(tmp_path / "storage", endpoint.url)


def test_a_worker_ends_what_an_api_could_not(life: Life) -> None:
    job_id = new_job_id()
    key = keys.tail_file(job_id, "a" * 64)
    spec = life.personalization(
        id=job_id, personalize=None, imported=ImportedTail(key=key, sha256="b" * 64, positions=5)
    )
    life.store.accept(spec, {key: b"the file"})  # and here the API dies
    life.reconciler.run_once()
    life.store.track(spec)
    attempt = life.claims().take("personalize")
    assert attempt is not None
    work = ImportWork(attempt, life.claims())

    assert list(work.routine())
    assert life.store.finish(spec, work.keep(None))

    end = life.store.end(job_id)
    assert end is not None
    assert (end.status, end.tail_key) == (JobStatus.SUCCEEDED, key)
    assert life.storage.get(key) == b"the file"
    assert life.open_jobs() == set()
