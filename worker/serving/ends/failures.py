"""What the failure of an attempt is to its job: a problem, and the end that tells it."""

from __future__ import annotations

from datetime import datetime

from core.errors import TailorError
from core.jobs.attempts import Attempt
from core.jobs.records import JobEnd, JobStatus, Problem

MOST_CHARS = 500


def problem_of(error: Exception) -> Problem:
    """Return what a client hears of an error."""
    if isinstance(error, TailorError):
        return Problem(type=error.type, title=error.title, detail=error.detail)
    return Problem(type="internal", title="Internal error", detail=f"{type(error).__name__}: {error}"[:MOST_CHARS])


def failure(attempt: Attempt, problem: Problem, now: datetime) -> JobEnd:
    """Return the end of a job whose attempt failed."""
    return JobEnd(job_id=attempt.spec.id, status=JobStatus.FAILED, ended_at=now, attempt=attempt.number, error=problem)
