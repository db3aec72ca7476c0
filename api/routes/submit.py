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
from api.waiting.longpoll import wait_for_end, wanted_wait_s

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
Wait = Annotated[str | None, Header(description="`wait=30`: answer when the job has ended", examples=["wait=30"])]


@router.post("/personalize", status_code=202, openapi_extra=personalize_body(), dependencies=[Depends(may("submit"))])
async def personalize(
    *,
    body: WithPicture,
    caller: Asking,
    state: State,
    request: Request,
    response: Response,
    key: Key = None,
    prefer: Wait = None,
) -> JobView:
    """Learn the subject of one picture: the answer names the tail that will hold it."""
    submission = await submit_personalize(state, caller.owner, body, key)
    body.let_go()
    return await _accepted(submission, state, request, response, wanted_wait_s(prefer))


@router.post("/edit", status_code=202, openapi_extra=edit_body(), dependencies=[Depends(may("submit"))])
async def edit(
    *,
    body: Small,
    caller: Asking,
    state: State,
    request: Request,
    response: Response,
    key: Key = None,
    prefer: Wait = None,
) -> JobView:
    """Make pictures of a learned subject; an edit that comes before its tail is ready waits for it."""
    submission = await submit_edit(state, caller.owner, body, key)
    body.let_go()
    return await _accepted(submission, state, request, response, wanted_wait_s(prefer))


async def _accepted(
    submission: Submission, state: State, request: Request, response: Response, wait_s: int | None
) -> JobView:
    if not submission.replayed:
        state.metrics.accepted.labels(submission.state.spec.kind).inc()
    job = await wait_for_end(state, submission.state, wait_s or 0)
    response.status_code = 200 if job.status.ended else 202
    response.headers["Location"] = f"{request.scope['root_path']}/jobs/{job.spec.id}"
    if wait_s is not None:
        response.headers["Preference-Applied"] = f"wait={wait_s}"
    if (seconds := retry_after_s(job)) is not None:
        response.headers["Retry-After"] = str(seconds)
    if submission.replayed:
        response.headers["Idempotency-Replayed"] = "true"
    links = Links.of(request, state.services)
    return await state.threads.intake.run(job_view, job, links) if job.end else job_view(job, links)
