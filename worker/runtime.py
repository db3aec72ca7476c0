"""All that a worker process has beside Celery."""

from __future__ import annotations

import os
import secrets
import socket
import threading
from dataclasses import asdict
from typing import Any

import structlog

from core.config import Settings
from core.diffusion.backbone import Backbone, load_backbone
from core.errors import StorageUnavailableError
from core.jobs.claims import Claims
from core.services import open_services
from worker.engine import Engine
from worker.model_cache import ModelCache
from worker.model_publisher import publish_models
from worker.serving.heartbeat import Heartbeat
from worker.serving.runner import Runner

PUBLISH_AGAIN_S = 30
log = structlog.get_logger()


class Runtime:
    """All that one worker process has beside Celery: services, engine, models, runner, heartbeat, reconciler."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.services = open_services(settings)
        self.worker_id = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        self.engine = Engine(max_batch=settings.max_batch, num_threads=settings.threads or os.cpu_count())
        self.models = ModelCache(
            settings.model_locations, budget_bytes=settings.model_memory_mb * 2**20, load=self._load_backbone
        )
        claims = Claims(self.services.jobs, self.worker_id, max_attempts=settings.max_attempts)
        self.runner = Runner(settings, claims, self.engine, self.models)
        self.heartbeat = Heartbeat(
            self.runner, claims, every_s=settings.renew_s, stall_s=settings.stall_s, describe=self.describe
        )
        self.published: list[str] = []
        self._stopped = threading.Event()

    def start(self) -> None:
        """Start everything; models are loaded and published on a thread of their own."""
        self.engine.start()
        self.services.reconciler.start()
        self.heartbeat.start()
        threading.Thread(target=self._publish, name="publish", daemon=True).start()

    def stop(self) -> None:
        """Hand everything back and end all threads; the second call does nothing."""
        self.runner.drain()
        self._stopped.set()
        self.services.reconciler.stop()

    def describe(self) -> dict[str, Any]:
        """Return what the heartbeat says of this worker."""
        stats = self.engine.stats()
        return {
            "engine": asdict(stats) | {"mean_batch_size": stats.mean_batch_size},
            "models": self.published,
            "model_cache": asdict(self.models.stats()),
            "prompt_cache": {"hits": self.engine.prompts.hits, "misses": self.engine.prompts.misses},
            "slots": {kind: [self.runner.slots.taken()[kind], most] for kind, most in self.runner.slots.limits.items()},
        }

    def _load_backbone(self, location: str, name: str) -> Backbone:
        settings = self.settings
        return load_backbone(
            location, name=name, device=settings.device, dtype=settings.dtype, compiled=settings.compile
        )

    def _publish(self) -> None:
        """Publish all models; one that can't be loaded now, as the hub is away, say, is tried again."""
        while not self._stopped.is_set():
            try:
                self.published = publish_models(self.models, self.services.registry)
            except StorageUnavailableError as error:
                log.warning("publish.storage_away", error=error.detail)
            self.heartbeat.beat()
            if len(self.published) == len(self.models.locations):
                return
            self._stopped.wait(PUBLISH_AGAIN_S)
