"""What clients get to see of a deletion."""

from __future__ import annotations

from pydantic import BaseModel, Field

from core.jobs.keeping.deletion import Deleted


class DeletionView(BaseModel):
    """What was deleted; nothing of it is left. A deletion that is sent again tells the same of that job or tail."""

    jobs: list[str] = Field(description="the jobs that went", examples=[["job_0123456789abcdef01234567"]])
    objects: int = Field(description="pictures, tails, checkpoints and records that went from storage")
    bytes: int


def deletion_view(deleted: Deleted) -> DeletionView:
    """Return what a client sees of a deletion."""
    return DeletionView(jobs=deleted.jobs, objects=deleted.objects, bytes=deleted.bytes)
