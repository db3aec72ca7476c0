"""`POST /personalize` and `POST /edit`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Request, Response

from api.callers import Asking, may
from api.intake.bodies import FORM_OVERHEAD, body_reader
from api.intake.fields import edit_body, personalize_body
from api.intake.parsing import Body
from api.intake.submission import Submission, submit_edit, submit_personalize
from api.state import State, state_of
from api.views.jobs import JobView, job_view, retry_after_s
from api.views.links import Links

router = APIRouter(tags=["jobs"])

EDIT_MAX_BYTES = 256 * 1024


def _picture_limit(request: Request) -> int:
    # A data URI is a third longer than the picture in it.
    return state_of(request).services.settings.max_picture_bytes * 4 // 3 + FORM_OVERHEAD


WithPicture = Annotated[Body, Depends(body_reader(_picture_limit))]
Small = Annotated[Body, Depends(body_reader(lambda _: EDIT_MAX_BYTES))]
Key = Annotated[
    str | None, Header(alias="Idempotency-Key", description="the same key and request again return the same job")
]


@router.post("/personalize", status_code=202, openapi_extra=personalize_body(), dependencies=[Depends(may("submit"))])
async def personalize(
    *, body: WithPicture, caller: Asking, state: State, request: Request, response: Response, key: Key = None
) -> JobView:
    """Learn the subject of one picture: the answer names the tail that will hold it."""
    return await _accepted(await submit_personalize(state, caller.owner, body, key), state, request, response)


@router.post("/edit", status_code=202, openapi_extra=edit_body(), dependencies=[Depends(may("submit"))])
async def edit(
    *, body: Small, caller: Asking, state: State, request: Request, response: Response, key: Key = None
) -> JobView:
    """Make pictures of a learned subject; an edit that comes before its tail is ready waits for it."""
    return await _accepted(await submit_edit(state, caller.owner, body, key), state, request, response)


async def _accepted(submission: Submission, state: State, request: Request, response: Response) -> JobView:
    job = submission.state
    response.headers["Location"] = f"/jobs/{job.spec.id}"
    if (seconds := retry_after_s(job)) is not None:
        response.headers["Retry-After"] = str(seconds)
    if submission.replayed:
        response.headers["Idempotency-Replayed"] = "true"
        response.status_code = 200 if job.status.ended else 202
    else:
        state.metrics.accepted.labels(job.spec.kind).inc()
    links = Links.of(request, state.services)
    return await state.threads.intake.run(job_view, job, links) if job.end else job_view(job, links)
