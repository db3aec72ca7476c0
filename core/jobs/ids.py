"""The ids of jobs and of the tails that they make."""

from __future__ import annotations

import re
import secrets

_JOB_ID = re.compile(r"job_[0-9a-f]{24}")
_TAIL_ID = re.compile(r"tail_[0-9a-f]{24}")


def new_job_id() -> str:
    """Return a fresh job id."""
    return f"job_{secrets.token_hex(12)}"


def is_job_id(text: str) -> bool:
    """Tell whether the text has the form of a job id."""
    return _JOB_ID.fullmatch(text) is not None


def is_tail_id(text: str) -> bool:
    """Tell whether the text has the form of a tail id."""
    return _TAIL_ID.fullmatch(text) is not None


def tail_of(job_id: str) -> str:
    """Return the id of the tail that a personalization makes."""
    return "tail_" + job_id.removeprefix("job_")


def job_of(tail_id: str) -> str:
    """Return the id of the personalization that makes a tail."""
    return "job_" + tail_id.removeprefix("tail_")
