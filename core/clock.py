"""The time, in one place."""

from __future__ import annotations

from datetime import UTC, datetime


def utc_now() -> datetime:
    """Return the time now, with its zone."""
    return datetime.now(UTC)
