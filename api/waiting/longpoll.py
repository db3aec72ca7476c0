"""`Prefer: wait=30`: an answer that waits until the job's status changes."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import structlog

from api.state import AppState
from api.waiting.bounded import AWAY
from core.errors import TailorError
from core.jobs.records import JobState, JobStatus
from core.live.names import record_key

log = structlog.get_logger()
MAX_WAIT_S = 60
REREAD_S = 5.0  # storage is asked so often in any case, as a notice may get lost
_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,6})\"?", re.IGNORECASE)


def wanted_wait_s(prefer: str | None) -> int | None:
    """Return the seconds of a Prefer header's `wait`, capped; None without one (an unknown preference is no error)."""
    found = _WAIT.search(prefer or "")
    return min(int(found[1]), MAX_WAIT_S) if found else None


async def wait_for_change(state: AppState, job_id: str, wait_s: float) -> JobState:
    """Return the job as soon as its status is another than now, or as it is after so many seconds."""
    return await _wait(state, job_id, wait_s, lambda first, job: job.status == first.status)


async def wait_for_end(state: AppState, accepted: JobState, wait_s: float) -> JobState:
    """Return a job that was just accepted as soon as it has ended, or as it is after so many seconds.

    Never raises: the job is accepted, whatever can't be read of it now.
    """
    if not wait_s or accepted.status.ended:
        return accepted
    try:
        return await _wait(state, accepted.spec.id, wait_s, lambda _first, _job: True)
    except TailorError as error:
        log.warning("job.wait.broken_off", job=accepted.spec.id, error=error.detail)
        return accepted


async def _wait(state: AppState, job_id: str, wait_s: float, goes_on: Callable[[JobState, JobState], bool]) -> JobState:
    until = time.monotonic() + wait_s
    with state.watcher.watch(job_id) as watch:
        first = job = await state.reads.state(job_id)
        while not job.status.ended and goes_on(first, job) and (left := until - time.monotonic()) > 0:
            if state.watcher.stopping:
                break
            noticed = await watch.changed(min(left, REREAD_S))
            if noticed and await _live_status(state, job_id) == job.status:
                continue  # progress only
            job = await state.reads.state(job_id)
    return job


async def _live_status(state: AppState, job_id: str) -> JobStatus | None:
    """Return the live record's status, which costs storage nothing; None when Redis does not say."""
    try:
        status: str | None = await state.questions.ask(lambda: state.redis.hget(record_key(job_id), "status"))
    except AWAY:
        return None
    return JobStatus(status) if status else None
