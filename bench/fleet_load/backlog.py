"""Jobs that are accepted and wait, made as the API makes them, and what they cost."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from bench.fault.verdict.attempts import claims_of, end_of
from bench.fleet_load.counting import CountingStorage, Counts
from bench.fleet_load.filling import fill
from bench.fleet_load.sleeping import IMAGE_SIZE, MODEL_HASH, POSITIONS, WIDTH, sleeping_job_id
from core.clock import utc_now
from core.config import Settings
from core.diffusion.files import save_tensors
from core.images import to_png
from core.jobs import keys
from core.jobs.ids import tail_of
from core.jobs.records import JobEnd, JobKind, JobSpec, JobStatus
from core.models.parameters import EditParams, PersonalizeParams
from core.services import open_services

LONG_S = 4000.0  # what fills a slot until the fleet ends
SENDERS = 16
STANDING = timedelta(minutes=10)  # a backlog is this old at least, and so much older at most: what is new costs more
REDIS_PATIENCE_S = 30.0
OUR_PROCESS = 511  # the client's own place among the counts


@dataclass(frozen=True)
class Sent:
    """A job that was sent, and when (seconds since the epoch)."""

    id: str
    at: float


class Backlog:
    """Sends jobs to one fleet."""

    def __init__(self, settings: Settings, counts: Counts, folder: Path | None) -> None:
        """`folder` is where storage lies if it is one: a backlog is written straight into it."""
        services = open_services(settings)
        # Patient, as Redis may be as busy as it can be: an answer that comes late is what is to be measured.
        services.live.client.connection_pool.connection_kwargs |= {"socket_timeout": REDIS_PATIENCE_S}
        self.live, self.jobs, self.storage = services.live, services.jobs, services.storage
        counted: Any = CountingStorage(self.storage, counts, OUR_PROCESS)
        self.jobs.storage = counted
        self._picture = to_png(Image.new("RGB", (IMAGE_SIZE, IMAGE_SIZE)))
        self._folder = folder
        self._source = self._ready_tail()

    def workers(self) -> int:
        """Return how many workers say that they are alive and have their model."""
        return sum(bool(state.get("models")) for state in self.live.workers.alive())

    def queued(self, kind: JobKind) -> int:
        """Return how many jobs of a kind wait for a slot."""
        return self.jobs.queued(kind)

    def send(self, kind: JobKind, count: int, sleeps_s: float = LONG_S) -> list[Sent]:
        """Accept and announce so many jobs, many at a time."""
        with ThreadPoolExecutor(SENDERS) as pool:
            return list(pool.map(lambda _: self.send_one(kind, sleeps_s), range(count)))

    def send_one(self, kind: JobKind, sleeps_s: float) -> Sent:
        """Accept and announce one job, as the API does: for an edit it looks at the tail first."""
        spec, at = self._spec(kind, sleeping_job_id(sleeps_s)), time.time()
        tail_end = self.jobs.ready_tails.end(spec.tail_id)[1] if kind == "edit" else None
        if tail_end and tail_end.tail_key:
            spec = spec.model_copy(update={"tail_keys": (tail_end.tail_key,)})
        self.jobs.accept(spec, dict.fromkeys(spec.input_keys, self._picture), shared_id=False)
        self.jobs.announce(spec, tail_end=tail_end)
        return Sent(spec.id, at)

    def fill(self, count: int) -> None:
        """Let so many personalizations wait that came one after the other until some minutes ago."""
        latest = utc_now() - STANDING
        ages = (STANDING * (count - n) / count for n in range(count))
        specs = (self._spec("personalize", sleeping_job_id(LONG_S), accepted_at=latest - age) for age in ages)
        fill(self.jobs, specs, self._picture, self._folder)

    def has_ended(self, job_id: str) -> bool:
        """Tell whether a job has ended."""
        return end_of(self.storage, job_id) is not None

    def claimed_after(self, sent: Sent) -> float:
        """Return the seconds from before a job's acceptance to its first claim."""
        return claims_of(self.storage, sent.id)[0].at - sent.at

    def _spec(self, kind: JobKind, job_id: str, accepted_at: datetime | None = None) -> JobSpec:
        now = utc_now()
        if kind == "edit":
            chosen: dict[str, Any] = {"edit": EditParams(), "tail_id": self._source.tail_id}
        else:
            picture_key = keys.picture(job_id, "0" * 64)
            chosen = {"personalize": PersonalizeParams(), "tail_id": tail_of(job_id), "picture_key": picture_key}
        return JobSpec(
            id=job_id,
            kind=kind,
            created_at=accepted_at or now,
            deadline_at=now + timedelta(days=1),
            model="critters",
            model_hash=MODEL_HASH,
            prompt="a standing dog",
            seed=1,
            **chosen,
        )

    def _ready_tail(self) -> JobSpec:
        """Return a personalization that has ended well, for edits to use."""
        spec = self._spec("personalize", sleeping_job_id(0))
        self.jobs.accept(spec, dict.fromkeys(spec.input_keys, self._picture))
        key = keys.output(spec.id, 1, "tail.safetensors")
        self.storage.put(key, save_tensors({"tail": torch.zeros(POSITIONS, WIDTH)}))
        end = JobEnd(job_id=spec.id, status=JobStatus.SUCCEEDED, ended_at=utc_now(), attempt=1, tail_key=key)
        self.jobs.finish(spec, end)
        return spec


def wait_until(happened: Callable[[], bool], what: str, most_s: float) -> bool:
    """Ask until it has happened; False, said aloud, when it has not in so many seconds."""
    end = time.monotonic() + most_s
    while not happened():
        if time.monotonic() > end:
            print(f"not in {most_s:g} s: {what}", flush=True)
            return False
        time.sleep(0.05)
    return True
