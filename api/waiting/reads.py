"""Reads jobs that are polled: what is asked for while a read is under way is read together, in one thread."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from api.threads import Threads
from core.jobs.records import JobState
from core.jobs.store import JobStore

AT_ONCE = 64


class JobReads:
    """Reads jobs for all who ask. For one event loop.

    Open jobs that Redis knows take one round trip together, and one change of threads: with many polls those are most
    of what a poll costs. All others are read each in a thread of its own, as storage may take its time.
    """

    def __init__(self, jobs: JobStore, reading: Threads) -> None:
        self._jobs = jobs
        self._reading = reading
        self._asked: dict[str, asyncio.Future[JobState | None]] = {}
        self._task: asyncio.Task[None] | None = None

    async def state(self, job_id: str) -> JobState:
        """Return a job as a reader sees it; raises NotFoundError, GoneError or StorageUnavailableError."""
        asked = self._asked.get(job_id)
        if asked is None:
            asked = self._asked[job_id] = asyncio.get_running_loop().create_future()
            if self._task is None or self._task.done():
                self._task = asyncio.create_task(self._answer_all())
        if (found := await asyncio.shield(asked)) is not None:
            return found
        return await self._reading.run(self._jobs.state, job_id)

    async def _answer_all(self) -> None:
        while self._asked:
            some = dict(list(self._asked.items())[:AT_ONCE])
            for job_id in some:
                del self._asked[job_id]
            for asked, found in zip(some.values(), await self._read(list(some)), strict=True):
                asked.set_result(found)

    async def _read(self, job_ids: Sequence[str]) -> Sequence[JobState | None]:
        try:
            return await self._reading.run(self._jobs.states.of_open, job_ids)
        except Exception:  # each of them is then read by itself, and meets what is wrong with it
            return [None] * len(job_ids)
