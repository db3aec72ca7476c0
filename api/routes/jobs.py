"""Reading, following and canceling jobs."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from starlette.responses import StreamingResponse

from api.callers import FollowedJobId, JobId, may
from api.openapi.headers import headers
from api.openapi.problems import SIGNED, may_answer
from api.routes.answers import Inline, shown
from api.routes.quick import QuickJobRoute
from api.state import State, Use
from api.views.deletions import DeletionView, deletion_view
from api.views.jobs import JobView, job_view, retry_after_s
from api.views.links import Links
from api.waiting.events import EventFeed, resumes_after_the_end
from api.waiting.longpoll import wait_for_change, wanted_wait_s

router = APIRouter(prefix="/jobs", tags=["jobs"])
Prefer = Annotated[str | None, Header(description="`wait=30`: answer when the status changes", examples=["wait=30"])]
Purge = Annotated[bool, Query(description="delete it with its pictures, its tail and all else that is stored of it")]
EVENT: dict[str, Any] = {
    "type": "object",
    "description": "each event of the stream",
    "properties": {
        "event": {"enum": ["snapshot", "status", "progress", "preview"]},
        "data": {"type": "string", "contentMediaType": "application/json"},
        "id": {"type": "string", "description": "for Last-Event-ID"},
    },
    "required": ["event", "data"],
}
PROGRESS = {"event": "progress", "data": '{"step":12,"steps":30,"loss":0.06,"eta_s":3.5}', "id": "1767366246000-0"}
LastEventId = Annotated[str | None, Header(alias="Last-Event-ID", description="go on after this event")]


async def read_job(
    *, job_id: JobId, state: State, request: Request, prefer: Prefer = None, inline: Inline = False
) -> Response:
    """Return a job: how far it is, and its results once it has succeeded."""
    wait_s = wanted_wait_s(prefer)
    job = await wait_for_change(state, job_id, wait_s or 0)
    headers = {} if wait_s is None else {"Preference-Applied": f"wait={wait_s}"}
    if (seconds := retry_after_s(job)) is not None:
        headers["Retry-After"] = str(seconds)
    view = await shown(state, request, job, inline=inline)
    # What the view has checked need not be checked again on its way out.
    return Response(view.model_dump_json(), media_type="application/json", headers=headers)


# It is asked far more often than all others.
router.add_api_route(
    "/{job_id}",
    read_job,
    methods=["GET"],
    response_model=JobView,
    responses={200: {"headers": headers("Preference-Applied", "Retry-After")}},
    dependencies=[Depends(may("read"))],
    route_class_override=QuickJobRoute,
)


@router.delete("/{job_id}", dependencies=[Depends(may("submit"))])
def cancel_job(job_id: JobId, services: Use, request: Request, purge: Purge = False) -> JobView | DeletionView:
    """Cancel a job; one that has ended stays as it is. With `purge=true` delete it, ended or not."""
    if purge:
        return deletion_view(services.jobs.deletion.job(job_id))
    return job_view(services.jobs.cancel(job_id), Links.of(request, services))


@router.get(
    "/{job_id}/events",
    response_class=StreamingResponse,
    responses={
        200: {
            "content": {"text/event-stream": {"schema": EVENT, "examples": {"progress": {"value": PROGRESS}}}},
            "description": "`snapshot`, `status`, `progress` and `preview` events, each with a JSON object",
        },
        204: {"description": "the last event was the job's end: there is nothing more"},
        **may_answer(*SIGNED),
    },
)
async def job_events(
    job_id: FollowedJobId, state: State, request: Request, last_event_id: LastEventId = None
) -> Response:
    """Stream a job's events from its beginning, or from `Last-Event-ID` on, until it ends."""
    await state.threads.reading.run(state.services.jobs.spec, job_id)
    if await resumes_after_the_end(state, job_id, last_event_id):
        return Response(status_code=204)
    feed = EventFeed(state, job_id, Links.of(request, state.services))
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # nginx would hold events back
    return StreamingResponse(feed.follow(last_event_id), media_type="text/event-stream", headers=headers)
