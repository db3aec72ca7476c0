"""A personalization whose worker is killed goes on from its last checkpoint, however short it is."""

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
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from core.clock import utc_now
from core.config import REPOSITORY, Settings
from core.images import to_png
from core.jobs import keys
from core.jobs.attempts import read_attempts
from core.jobs.ids import new_job_id, tail_of
from core.jobs.records import JobEnd, JobSpec, JobStatus
from core.live.names import events_key
from core.services import Services, open_services
from tests.support.dying_worker import VARIABLE, doom
from tests.support.redis_server import redis_server
from tests.support.stack import SAMPLE

pytestmark = pytest.mark.slow
STEPS = 100
KILLED_AT = 80
MOST_REDONE = 10
PATIENCE_S = 150.0


@dataclass
class Place:
    """Redis, storage, and workers that may be started one after the other."""

    folder: Path
    redis_url: str
    services: Services

    @property
    def doomed(self) -> Path:
        return self.folder / "doomed"

    @contextmanager
    def worker(self) -> Iterator[subprocess.Popen[bytes]]:
        told = {
            "TAILOR_STORAGE": self.services.settings.storage,
            "TAILOR_REDIS_URL": self.redis_url,
            "TAILOR_SEATS": str(self.folder / "seats"),
            "TAILOR_MODELS": "",
            "TAILOR_THREADS": "1",
            VARIABLE: str(self.doomed),
        }
        command = [sys.executable, "-m", "tests.support.dying_worker"]
        with (self.folder / "worker.log").open("ab") as log:
            process = subprocess.Popen(command, cwd=REPOSITORY, env=os.environ | told, stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def personalize(self) -> JobSpec:
        """Accept the sample picture as the API does, once a worker has published its model."""
        until(lambda: bool(self.services.registry.models()), "a model")
        model, job_id, now = self.services.registry.models()[0], new_job_id(), utc_now()
        params = model.recipes["fast"].personalize.model_copy(update={"steps": STEPS, "exact": True})
        picture = to_png(Image.open(SAMPLE).convert("RGB").resize((model.image_size, model.image_size)))
        spec = JobSpec(
            id=job_id,
            kind="personalize",
            created_at=now,
            deadline_at=now + timedelta(hours=1),
            model=model.name,
            model_hash=model.hash,
            prompt="a standing dog",
            seed=7,
            tail_id=tail_of(job_id),
            personalize=params,
            picture_key=keys.picture(job_id, "0" * 64),
        )
        self.services.jobs.accept(spec, {str(spec.picture_key): picture})
        return spec

    def ended(self, spec: JobSpec) -> JobEnd:
        until(lambda: self.services.jobs.end(spec.id) is not None, f"the end of {spec.id}")
        end = self.services.jobs.end(spec.id)
        assert end is not None
        assert end.status is JobStatus.SUCCEEDED, end
        return end

    def first_step(self, spec: JobSpec, attempt: int) -> int:
        """Return the first step that an attempt told of: it tells of that one at once."""
        entries: Any = self.services.live.client.xrange(events_key(spec.id))
        told = [json.loads(fields["data"]) for _, fields in entries if fields["type"] == "progress"]
        return int(next(event["step"] for event in told if event["attempt"] == attempt))


def until(happened: Callable[[], bool], what: str) -> None:
    """Ask until it has happened; the processes are others', so there is no event to wait for."""
    end = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.05)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with redis_server() as redis:
        settings = Settings(_env_file=None, storage=str(tmp_path / "storage"), redis_url=redis.url)
        yield Place(tmp_path, redis.url, open_services(settings))


@pytest.mark.timeout(600)
def test_killed_at_four_fifths_it_redoes_a_tenth_at_most_and_ends_with_the_same_tail_bit_for_bit(place: Place) -> None:
    with place.worker() as worker:
        undisturbed = place.personalize()
        place.services.jobs.announce(undisturbed)
        whole = place.ended(undisturbed)
        spec = place.personalize()
        doom(place.doomed, spec.id, KILLED_AT)
        place.services.jobs.announce(spec)
        assert worker.wait(PATIENCE_S) == -signal.SIGKILL

    with place.worker():
        end = place.ended(spec)

    redone = KILLED_AT - (place.first_step(spec, attempt=2) - 1)
    assert 0 <= redone <= MOST_REDONE
    assert read_attempts(place.services.storage, spec.id).crashed == (1,)
    assert whole.receipt is not None
    assert end.receipt is not None
    assert end.receipt["tail_sha256"] == whole.receipt["tail_sha256"]
