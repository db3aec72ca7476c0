"""The one Celery task: a nudge."""

from __future__ import annotations

from collections.abc import Callable

from celery import Celery

from core.jobs.nudges import NUDGE
from core.jobs.records import JobKind
from worker.serving.runner import Runner


def register_tasks(app: Celery, runner: Callable[[], Runner]) -> None:
    """Register the one task: a nudge, which runs waiting jobs of its kind on this thread while there are free slots."""

    @app.task(name=NUDGE, ignore_result=True)
    def nudge(kind: JobKind, job_id: str = "") -> None:  # noqa: ARG001 - the id is there for people who read the queue
        runner().work(kind)
