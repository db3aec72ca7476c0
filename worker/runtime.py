"""All that a worker process has beside Celery."""

from __future__ import annotations

import hashlib
import os
import secrets
import socket
import tempfile
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any

import structlog
from pydantic import ValidationError
from redis.exceptions import RedisError

from core.config import Settings
from core.cpus import usable_cpus
from core.diffusion.backbone import Backbone, load_backbone
from core.errors import StorageUnavailableError, TailorError
from core.jobs import keys
from core.jobs.claims import Claims
from core.services import open_services
from worker.consumption import Consumption
from worker.engine import Engine, limit_memory
from worker.load_report import LoadReport
from worker.model_cache import ModelCache
from worker.model_publisher import publish_models
from worker.served_models import ServedModels
from worker.serving.heartbeat import Heartbeat
from worker.serving.runner import BROKEN_EXIT_CODE, Runner
from worker.serving.seat import open_seat

PUBLISH_AGAIN_S = 30
log = structlog.get_logger()


class Runtime:
    """Everything in a worker process besides Celery: services, engine, models, runner, heartbeat, reconciler."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.services = open_services(settings)
        limit_memory(settings.device, settings.gpu_memory_share)
        self.worker_id = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        self.engine = Engine(max_batch=settings.max_batch, num_threads=settings.threads or usable_cpus())
        self.cache = ModelCache(
            settings.loadable_models, budget_bytes=settings.model_memory_mb * 2**20, load=self._load_backbone
        )
        self.served = ServedModels(self.cache)
        self.consumption = Consumption()
        self.seat = open_seat(_seats_folder(settings))
        claims = Claims(
            self.services.jobs,
            self.worker_id,
            self._hashes,
            max_attempts=settings.max_attempts,
            can=self.served.can,
        )
        changed = threading.Event()
        self.runner = Runner(
            settings,
            claims,
            self.engine,
            self.served,
            seat=self.seat,
            heed=self.consumption.want,
            changed=changed.set,
        )
        self.load_report = LoadReport(self.runner, self.engine, self.served, changed, max_batch=settings.max_batch)
        self.heartbeat = Heartbeat(
            self.runner, claims, every_s=settings.renew_s, stall_s=settings.stall_s, describe=self.describe
        )
        self._stopped = threading.Event()

    def start(self) -> None:
        """Start everything; models are loaded and published on a thread of their own."""
        self.engine.start()
        self.services.reconciler.start()
        self.heartbeat.start()
        self.load_report.start()
        threading.Thread(target=self._report_left_behind, name="left-behind", daemon=True).start()
        threading.Thread(target=self._publish, name="publish", daemon=True).start()

    def stop(self) -> None:
        """Hand everything back and end all threads; the second call does nothing."""
        self.runner.drain()
        self._stopped.set()
        self.load_report.stop()
        self.services.reconciler.stop()

    def describe(self) -> dict[str, Any]:
        """Return what the heartbeat says of this worker."""
        stats = self.engine.stats()
        return {
            "engine": asdict(stats) | {"mean_batch_size": stats.mean_batch_size},
            "models": self.served.hashes(),
            "priors": self.served.priors(),
            "clock_skew_s": round(self.services.clock.skew_s, 1),
            "model_cache": asdict(self.cache.stats()),
            "storage": {name: asdict(stats) for name, stats in self.services.storage_meter.read().items()},
            "prompt_cache": {"hits": self.engine.prompts.hits, "misses": self.engine.prompts.misses},
            "slots": {kind: [self.runner.slots.taken()[kind], most] for kind, most in self.runner.slots.limits.items()},
        }

    def _hashes(self) -> set[str]:
        return set(self.served.hashes().values())

    def _load_backbone(self, location: str, name: str) -> Backbone:
        settings = self.settings
        return load_backbone(
            location,
            name=name,
            device=settings.device,
            dtype=settings.dtype,
            compiled=settings.compile,
            told=lambda plan: log.info("model.loading", model=name, about=plan.lines()),
        )

    def _report_left_behind(self) -> None:
        """Queue again what dead processes of this machine ran: their leases need not run out first."""
        for left in self.seat.left_behind:
            try:
                spec = self.services.jobs.spec(left.job_id)
                if left.crashed:
                    self.services.storage.create(keys.crashed(left.job_id, left.number), b"")
                self.services.reconciler.reap(spec, token=left.token)
            except (TailorError, RedisError, ValidationError) as error:  # then its lease has to run out
                log.warning("left_behind.failed", job=left.job_id, error=str(error))

    def _publish(self) -> None:
        """Serve all models; one that can't be loaded now (because the hub is down, say) is tried again."""
        while not self._stopped.is_set():
            try:
                publish_models(self.cache, self.services.registry, self.served)
            except StorageUnavailableError as error:
                log.warning("publish.storage_away", error=error.detail)
            else:
                if not self.served.hashes():
                    self.runner.break_down("no model can be loaded", BROKEN_EXIT_CODE)
            if self.served.hashes():
                self.heartbeat.beat()
                self.load_report.hurry()
                self.runner.heed_nudges()
            if len(self.served.hashes()) == len(self.cache.locations):
                return
            self._stopped.wait(PUBLISH_AGAIN_S)


def _seats_folder(settings: Settings) -> Path:
    """Return the folder that the workers of this machine share which work on one Redis and storage."""
    if settings.seats:
        return Path(settings.seats)
    shared = hashlib.sha256(f"{settings.redis_url}\0{settings.storage}".encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"tailor-seats-{os.getuid()}-{shared}"
