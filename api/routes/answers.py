"""How a job is answered: at once or once it has ended, with links to its pictures or with the pictures in it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header, Query, Request, Response

from api.intake.submission import Submission
from api.state import AppState, State
from api.views.jobs import MAX_RETRY_AFTER_S, JobView, job_view, retry_after_s
from api.views.links import Links
from api.views.whole import accepted_edit, whole_view
from api.waiting.longpoll import wait_for_end, wanted_wait_s
from core.jobs.records import JobSpec, JobState

Inline = Annotated[bool, Query(description="small pictures as base64 in the answer, beside their links")]
Wait = Annotated[str | None, Header(description="`wait=30`: answer when all has ended", examples=["wait=30"])]


async def shown(state: AppState, request: Request, job: JobState, *, inline: bool) -> JobView:
    """Return what the client of this request sees of a job."""
    links = Links.of(request, state.services)
    if job.end is None and not job.spec.edits:  # nothing to sign, nothing to read
        return job_view(job, links)
    return await state.threads.reading.run(whole_view, state.services, job, links, inline=inline)


@dataclass(frozen=True)
class Answering:
    """How a submission is to be answered, and what the answer is written to."""

    state: AppState
    request: Request
    response: Response
    prefer: str | None
    inline: bool

    @property
    def base_url(self) -> str:
        """The API as this client reaches it."""
        return Links.of(self.request, self.state.services).base_url

    async def tell(self, submission: Submission) -> JobView:
        """Return what was accepted, at once or, with `Prefer: wait`, as soon as it has ended."""
        wait_s = wanted_wait_s(self.prefer)
        if not submission.replayed:
            self._count(submission.state.spec)
        job = await self._ended(submission.state, wait_s or 0)
        view = await shown(self.state, self.request, job, inline=self.inline)
        headers = self.response.headers
        headers["Location"] = f"{self.request.scope['root_path']}/jobs/{job.spec.id}"
        if wait_s is not None:
            headers["Preference-Applied"] = f"wait={wait_s}"
        if submission.replayed:
            headers["Idempotency-Replayed"] = "true"
        ended = all(part.status.ended for part in (view, *view.edits))
        self.response.status_code = 200 if ended else 202
        if not ended:
            headers["Retry-After"] = str(retry_after_s(job) or MAX_RETRY_AFTER_S)
        return view

    def _count(self, spec: JobSpec) -> None:
        for part in (spec, *spec.edits):
            self.state.metrics.accepted.labels(part.kind).inc()

    async def _ended(self, accepted: JobState, wait_s: float) -> JobState:
        """Wait so long for the end of a job, and of the edits that came with it."""
        until = time.monotonic() + wait_s
        job = await wait_for_end(self.state, accepted, wait_s)
        for edit in job.spec.edits:
            await wait_for_end(self.state, accepted_edit(edit), max(0.0, until - time.monotonic()))
        return job


async def answering(
    state: State, request: Request, response: Response, *, prefer: Wait = None, inline: Inline = False
) -> Answering:
    """Return how this request is to be answered."""
    return Answering(state, request, response, prefer, inline)


HowToAnswer = Annotated[Answering, Depends(answering)]
