"""How long a job is kept: as its client wishes, within what the server allows."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from core.config import Settings
from core.errors import GoneError, InvalidInputError
from core.jobs.lists.labels import check_labels
from core.jobs.records import JobEnd, JobSpec
from core.limits import named_limit


def terms(settings: Settings, labels: dict[str, str], ttl: int | None) -> dict[str, Any]:
    """Return what a spec says of how its job is found again and kept; raises InvalidInputError."""
    return {"labels": check_labels(settings, labels), "ttl_s": kept_for(settings, ttl)}


def kept_for(settings: Settings, ttl: int | None) -> float | None:
    """Return for how many seconds after its end a job is kept, None for ever; raises InvalidInputError."""
    limit = settings.retention
    if ttl is None:
        return limit
    if limit is not None and ttl > limit:
        detail = f"ttl is {ttl} seconds, over the limit of {limit:.0f}"
        raise InvalidInputError("ttl", detail, **named_limit(settings, "retention"))
    return float(ttl)


def check_not_expired(tail: JobSpec, end: JobEnd | None, now: datetime) -> None:
    """Raise GoneError for a tail whose time is over: it may still be there, for the edits that came before."""
    if (due := expires_at(tail, end)) and due <= now:
        raise GoneError(f"{tail.tail_id} expired at {due:%FT%TZ}", id=tail.tail_id)


def expires_at(spec: JobSpec, end: JobEnd | None) -> datetime | None:
    """Return when a job is deleted by itself; None while it has not ended, and if it is kept for ever."""
    return end.ended_at + timedelta(seconds=spec.ttl_s) if end and spec.ttl_s is not None else None
