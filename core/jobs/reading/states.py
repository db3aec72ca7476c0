"""Jobs as a reader sees them: storage decides, Redis knows how far they are."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, TypeVar

import structlog
from redis.exceptions import RedisError

from core.errors import GoneError, NotFoundError
from core.forecast.forecast import Forecast
from core.jobs.attempts import read_attempts
from core.jobs.ids import job_of
from core.jobs.records import JobSpec, JobState, JobStatus, LiveRecord
from core.live.workers import Served

if TYPE_CHECKING:
    from core.jobs.store import JobStore

LOOK_EVERY_S = 5.0  # storage is asked so often for the end of a job that Redis says is open: a notice may get lost
SERVED_S = 1.0  # the models that are served change seldom
REMEMBERED = 20_000
log = structlog.get_logger()
T = TypeVar("T")


class States:
    """Reads jobs. All calls block, and raise nothing because Redis is away. Safe in many threads."""

    def __init__(self, store: JobStore) -> None:
        self._store = store
        self._forecast = Forecast(store.live, store.clock)
        self._looked: dict[str, float] = {}  # when storage last had no end of a job
        self._served: tuple[float, set[Served]] = (float("-inf"), set())

    def of(self, job_id: str) -> JobState:
        """Return a job; raises NotFoundError, GoneError or StorageUnavailableError.

        The end is looked for first: Redis may not have heard of it, or may have forgotten it.
        """
        spec = self._store.spec(job_id)
        end = self._store.end_unless_deleted(job_id)
        live = quietly(lambda: self._store.live.records.read(spec), None)
        if end:
            return JobState(spec=spec, live=live or LiveRecord(status=end.status, attempt=end.attempt), end=end)
        if live and not live.status.ended:
            self._note_no_end(job_id)
            return self._open(spec, live)
        attempts = read_attempts(self._store.storage, job_id)
        status = JobStatus.RUNNING if attempts.running else JobStatus.QUEUED
        if status is JobStatus.QUEUED and spec.kind == "edit" and not self._has_tails(spec):
            status = JobStatus.WAITING
        return JobState(spec=spec, live=LiveRecord(status=status, attempt=attempts.newest))

    def of_open(self, job_ids: Sequence[str]) -> list[JobState | None]:
        """Return those of the jobs that Redis says are open, if storage was asked lately; None for all others.

        They take one round trip to Redis together, and nothing of storage. Raises RedisError.
        """
        since = time.monotonic() - LOOK_EVERY_S
        specs = {job_id: self._store.spec(job_id) for job_id in job_ids if self._looked.get(job_id, 0.0) > since}
        lives = dict(zip(specs, self._store.live.records.read_all(list(specs.values())), strict=True))
        found = ((specs.get(job_id), lives.get(job_id)) for job_id in job_ids)
        return [self._open(spec, live) if spec and live and not live.status.ended else None for spec, live in found]

    def note_end(self, job_id: str) -> None:
        """Look at storage the next time: this process has just written an end there."""
        self._looked.pop(job_id, None)

    def _note_no_end(self, job_id: str) -> None:
        if len(self._looked) >= REMEMBERED:
            self._looked.clear()
        self._looked[job_id] = time.monotonic()

    def _open(self, spec: JobSpec, live: LiveRecord) -> JobState:
        eta_s = quietly(lambda: self._eta_s(spec, live), live.eta_s)
        waiting_for = self._waiting_for(spec, live.status)
        return JobState(spec=spec, live=live.model_copy(update={"eta_s": eta_s}), waiting_for=waiting_for)

    def _eta_s(self, spec: JobSpec, live: LiveRecord) -> float | None:
        """Return in how many seconds an open job will end; None when too little is known to say."""
        eta_s = self._forecast.eta_s(spec, live)
        if eta_s is not None or live.status is not JobStatus.WAITING:
            return eta_s
        try:
            tails = [self._store.spec(job_of(tail_id)) for tail_id in spec.tail_ids]
        except (NotFoundError, GoneError):
            return None  # a tail was deleted: the edit has its own end soon
        records = list(zip(tails, self._store.live.records.read_all(tails), strict=True))
        etas = [self._eta_s(tail, record) for tail, record in records if record and not record.status.ended]
        alone_s = self._forecast.alone_s(spec)
        if alone_s is None or None in etas or None in (record for _, record in records):
            return None
        return round(max((each for each in etas if each is not None), default=0.0) + alone_s, 1)

    def _waiting_for(self, spec: JobSpec, status: JobStatus) -> str | None:
        """Return what an open job waits for besides its turn."""
        if status is JobStatus.WAITING:
            return f"{'tails' if spec.tails else 'tail'} {', '.join(spec.tail_ids)}"
        wanted = spec.prior_positions
        if status is not JobStatus.QUEUED or self._is_served(spec.model_hash, wanted):
            return None
        with_prior = f" and a tail prior of {wanted} positions" if wanted else ""
        return f"a worker that serves model {spec.model} with the weights {spec.model_hash[:12]}{with_prior}"

    def _is_served(self, model_hash: str, prior: int) -> bool:
        """Tell whether a living worker serves a model with what the job needs of it, or did a second ago."""
        asked_at, served = self._served
        if time.monotonic() - asked_at >= SERVED_S or not _has(served, model_hash, prior):
            served = quietly(self._store.live.workers.served, {Served(model_hash)})
            self._served = (time.monotonic(), served)
        return _has(served, model_hash, prior)

    def _has_tails(self, spec: JobSpec) -> bool:
        return all(self._store.end(job_of(tail_id)) for tail_id in spec.tail_ids)


def _has(served: Iterable[Served], model_hash: str, prior: int) -> bool:
    return any(one.model_hash == model_hash and (not prior or one.prior_positions in (prior, None)) for one in served)


def quietly(call: Callable[[], T], otherwise: T) -> T:
    """Return what a call returns, or something else while Redis is away."""
    try:
        return call()
    except RedisError as error:
        log.warning("redis.away", error=str(error))
        return otherwise
