"""Whose each job is, asked of storage once."""

from __future__ import annotations

from api.threads import Threads
from core.jobs.store import JobStore

REMEMBERED = 20_000


class Owners:
    """Whose each job is. It never changes, so a job that is polled is looked up once. For one event loop."""

    def __init__(self, jobs: JobStore, reading: Threads) -> None:
        self._jobs = jobs
        self._reading = reading
        self._known: dict[str, str] = {}

    async def of(self, job_id: str) -> str:
        """Return whose a job is or, if it was deleted, was; raises NotFoundError."""
        if (known := self._known.get(job_id)) is not None:
            return known
        owner = await self._reading.run(self._jobs.owner, job_id)
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        self._known[job_id] = owner
        return owner
