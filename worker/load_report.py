"""Tells once a second what this worker runs and how fast it is, for as long as it runs something."""

from __future__ import annotations

import threading
import time

import structlog
from redis.exceptions import RedisError

from core.forecast.loads import Load, ModelRates, RunningJob
from core.forecast.work import work_of
from worker.engine import Engine
from worker.engine.policy import WEIGHTS
from worker.served_models import ServedModels
from worker.serving.active import ActiveAttempt
from worker.serving.runner import Runner

EVERY_S = 1.0
IDLE_S = 5.0
log = structlog.get_logger()


class LoadReport:
    """What forecasts go by. Best effort: without it nobody knows when a job will end."""

    def __init__(
        self, runner: Runner, engine: Engine, served: ServedModels, changed: threading.Event, *, max_batch: int
    ) -> None:
        """Listen to `changed`, which is set when a job has come or ended."""
        self._runner = runner
        self._engine = engine
        self._served = served
        self._max_batch = max_batch
        self._changed = changed
        self._stop = threading.Event()

    def start(self) -> None:
        """Begin to tell, on a thread of its own."""
        threading.Thread(target=self._loop, name="load", daemon=True).start()

    def stop(self) -> None:
        """End the thread at its next turn."""
        self._stop.set()
        self._changed.set()

    def hurry(self) -> None:
        """Tell soon: a job has come or ended."""
        self._changed.set()

    def tell(self) -> None:
        """Tell now."""
        claims = self._runner.claims
        try:
            claims.store.live.workers.tell(claims.worker_id, self.load())
        except RedisError as error:
            log.warning("load.redis_away", error=str(error))

    def load(self) -> Load:
        """Return what is to be told."""
        speeds = self._engine.speeds()
        asides = {model_hash: self._runner.asides.of(model_hash) for model_hash in self._served.loading()}
        models = {
            model_hash: ModelRates(
                calls=speeds.get(model_hash, {}),
                before_s={kind: aside.before_s for kind, aside in asides.get(model_hash, {}).items()},
                aside_s={kind: aside.after_s for kind, aside in asides.get(model_hash, {}).items()},
                load_s=load_s,
                loaded=loaded,
            )
            for model_hash, (load_s, loaded) in self._served.loading().items()
        }
        return Load(
            at=self._runner.claims.store.clock.now_s(),
            slots=self._runner.slots.limits,
            max_batch=self._max_batch,
            shares=WEIGHTS,
            models=models,
            running=tuple(_running(active) for active in self._runner.active()),
        )

    def _loop(self) -> None:
        while not self._stop.is_set():
            self._changed.wait(IDLE_S)  # Redis may have lost its memory
            self._changed.clear()
            try:
                self.tell()
            except Exception:  # without this thread nobody would know how long a job takes
                log.exception("load.failed")
            if self._runner.active():
                self._changed.set()
            self._stop.wait(EVERY_S)


def _running(active: ActiveAttempt) -> RunningJob:
    spec = active.attempt.spec
    work = work_of(spec)
    computed = active.ticket is not None and active.ticket.done
    left = 0.0 if computed else work.steps * (1 - active.share_done)
    return RunningJob(
        id=spec.id,
        kind=spec.kind,
        model_hash=spec.model_hash,
        work=work,
        left=left,
        pictures_left=0 if computed else work.pictures,
        waited_s=time.monotonic() - active.began if not active.share_done else None,
    )
