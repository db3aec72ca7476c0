"""The Celery app: `celery -A worker.app worker` or `python -m worker`."""

from __future__ import annotations

import os
import threading
from typing import Any

import structlog
from celery.signals import worker_init, worker_ready, worker_shutdown, worker_shutting_down
from transformers.utils.logging import disable_progress_bar

from core.config import Settings
from core.jobs.nudges import make_celery
from core.logs import configure_logs
from worker.runtime import Runtime
from worker.tasks import register_tasks

START_FAILED_EXIT_CODE = 75  # EX_TEMPFAIL: storage may be away for now; whoever supervises this process tries again
settings = Settings()
app = make_celery(settings.redis_url, socket_timeout_s=5)
app.conf.update(
    worker_pool="threads",
    # Two threads beyond the slots: a nudge that finds no free slot is taken and forgotten at once.
    worker_concurrency=settings.personalize_slots + settings.edit_slots + 2,
)
_runtime: list[Runtime] = []  # one, from the worker's start on; importing this module must not load models


@worker_init.connect
def _start(**_: object) -> None:
    configure_logs()
    os.nice(settings.nice)  # before there are threads: who polls must not wait until all cores have finished a call
    disable_progress_bar()  # type: ignore[no-untyped-call] # "Loading weights" is no line for a log
    try:
        _runtime.append(Runtime(settings))
    except Exception as error:  # Celery would go on without us and eat every nudge
        structlog.get_logger().error("worker.start_failed", error=str(error))
        os._exit(START_FAILED_EXIT_CODE)
    _runtime[0].start()


@worker_ready.connect
def _attach(sender: Any, **_: object) -> None:
    _runtime[0].consumption.attach(sender)


@worker_shutting_down.connect
def _drain(**_: object) -> None:
    # This is the signal handler, which must return for the pool to stop; tasks return once the engine has stopped.
    threading.Thread(target=_runtime[0].stop, name="drain").start()


@worker_shutdown.connect
def _stop(**_: object) -> None:
    _runtime[0].stop()
    _runtime[0].heartbeat.stop()


register_tasks(app, lambda: _runtime[0].runner)
