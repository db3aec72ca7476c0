"""`POST /personalize` and `POST /edit`."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header

from api.callers import Asking, may
from api.intake.bodies import BodyLimit, body_reader
from api.intake.parsing import Body
from api.intake.submission import submit_edit, submit_personalize
from api.openapi.headers import headers
from api.openapi.problems import NEW_JOB, WITH_PICTURE, may_answer
from api.routes.answers import HowToAnswer
from api.state import State
from api.views.jobs import JobView
from core.errors import GoneError, NotFoundError

router = APIRouter(tags=["jobs"])


PICTURES = BodyLimit("max_picture_bytes")  # all of them together
WithPicture = Annotated[Body, Depends(body_reader(PICTURES, "tails"))]
WithPictures = Annotated[Body, Depends(body_reader(PICTURES, "picture", "picture_url", "prompt", "edits"))]
Key = Annotated[
    str | None, Header(alias="Idempotency-Key", description="the same key and request again return the same job")
]

_TOLD = headers("Location", "Preference-Applied", "Idempotency-Replayed")
_ACCEPTED: dict[int | str, dict[str, Any]] = {
    200: {"model": JobView, "description": "it has ended, and so have its edits", "headers": _TOLD},
    202: {"description": "it is accepted, and won't be lost", "headers": _TOLD | headers("Retry-After")},
}


@router.post(
    "/personalize",
    status_code=202,
    responses=_ACCEPTED | may_answer(*NEW_JOB, *WITH_PICTURE),
    dependencies=[Depends(may("submit"))],
)
async def personalize(
    *, body: WithPictures, caller: Asking, state: State, answer: HowToAnswer, key: Key = None
) -> JobView:
    """Learn the subject of one picture or more: the answer names the tail to be, and the edits sent with it."""
    submission = await submit_personalize(state, caller.owner, body, key, answer.base_url)
    body.let_go()
    return await answer.tell(submission)


@router.post(
    "/edit",
    status_code=202,
    responses=_ACCEPTED | may_answer(*NEW_JOB, *WITH_PICTURE, NotFoundError, GoneError),
    dependencies=[Depends(may("submit"))],
)
async def edit(*, body: WithPicture, caller: Asking, state: State, answer: HowToAnswer, key: Key = None) -> JobView:
    """Make pictures of a learned subject; an edit that comes before its tail is ready waits for it."""
    submission = await submit_edit(state, caller.owner, body, key, answer.base_url)
    body.let_go()
    return await answer.tell(submission)
