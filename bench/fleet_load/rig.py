"""Redis, storage and as many sleeping workers as wanted, and what they ask of both."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis

from bench.fault.stack.servers import RedisServer, S3Store
from bench.fleet_load.backlog import Backlog, wait_until
from bench.fleet_load.counting import Counts
from bench.fleet_load.workers import COUNTS
from cli.supervisor import Service, Supervisor
from core.config import REPOSITORY, Settings

START_S = 180.0
GRACE_S = 2.0  # what sleeps has nothing to save


@dataclass(frozen=True)
class Cost:
    """Commands that Redis carried out, those inside scripts included, and requests to storage, in some seconds."""

    redis: int
    storage: int
    seconds: float

    def rates(self) -> tuple[float, float]:
        """Return both per second."""
        return self.redis / self.seconds, self.storage / self.seconds


class Rig:
    """One fleet with a Redis and a storage of its own."""

    def __init__(self, data: Path, redis_server: RedisServer, store: S3Store | None, slots: int) -> None:
        self._data, self._redis = data, redis_server
        data.mkdir(parents=True)
        storage = {"TAILOR_STORAGE": str(data / "storage")}
        if store:
            storage = store.environment(direct=True)
            storage["TAILOR_STORAGE"] += f"/{data.name}"
        self._environment = storage | {
            "TAILOR_REDIS_URL": redis_server.direct_url,
            "TAILOR_PERSONALIZE_SLOTS": str(slots),
            "TAILOR_EDIT_SLOTS": str(slots),
            COUNTS: str(data / "counts"),
            "PYTHONPATH": str(REPOSITORY),
            "OMP_NUM_THREADS": "1",
        }
        self._counts = Counts(data / "counts")
        redis_server.flush()
        self._client = redis.Redis.from_url(redis_server.direct_url)
        settings = {name.removeprefix("TAILOR_").lower(): value for name, value in self._environment.items()}
        self.backlog = Backlog(Settings.model_validate(settings), self._counts, None if store else data / "storage")

    @contextmanager
    def workers(self, count: int, first: int = 0) -> Iterator[None]:
        """Run so many workers, numbered from `first` on, for as long as the block."""
        command = [sys.executable, "-m", "bench.fleet_load.workers", str(count), str(first)]
        log = self._data / f"workers-{first}.log"
        service = Service("workers", command, log, self._environment, grace_s=GRACE_S)
        supervisor = Supervisor([service], lambda line: print(line, flush=True))
        supervisor.start()
        thread = threading.Thread(target=supervisor.run, daemon=True)
        thread.start()
        try:
            wait_until(lambda: self.backlog.workers() >= first + count, f"{first + count} workers", START_S)
            yield
        finally:
            supervisor.request_stop()
            thread.join()
            supervisor.stop()

    def measure(self, seconds: float) -> Cost:
        """Return what everything together costs in the next seconds."""
        began = self.mark()
        time.sleep(seconds)
        return self.since(began)

    def since(self, began: tuple[int, int, float]) -> Cost:
        """Return what everything together has cost since `mark`."""
        now = self.mark()
        return Cost(now[0] - began[0], now[1] - began[1], now[2] - began[2])

    def mark(self) -> tuple[int, int, float]:
        """Return a moment for `since`."""
        stats = self._client.info("commandstats")
        return sum(each["calls"] for each in stats.values()), self._counts.total(), time.monotonic()
