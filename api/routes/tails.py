"""Reading, downloading, taking in and deleting tails."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from starlette.responses import RedirectResponse

from api.callers import Asking, TailId, may
from api.intake.bodies import BodyLimit, body_reader
from api.intake.checks import parse
from api.intake.fields import LabelChanges
from api.intake.imports import submit_tail
from api.intake.parsing import Body
from api.openapi.headers import headers
from api.openapi.problems import may_answer
from api.routes.submit import Key
from api.state import State, Use
from api.views.deletions import DeletionView, deletion_view
from api.views.links import Links
from api.views.tails import TailView, tail_url, tail_view
from core.errors import NotFoundError, PromptTooLongError, StorageQuotaExceededError, WrongModelError
from core.jobs.lists.labels import check_labels

Small = Annotated[Body, Depends(body_reader(BodyLimit()))]
Edits = Annotated[Literal["keep", "delete"], Query(description="what becomes of the edits made with it")]
router = APIRouter(prefix="/tails", tags=["tails"])
WithFile = Annotated[Body, Depends(body_reader(BodyLimit("max_tail_bytes")))]


_MADE = headers("Location", "Idempotency-Replayed")


@router.post(
    "",
    status_code=201,
    responses={
        200: {
            "model": TailView,
            "description": "it was taken in before, with this Idempotency-Key",
            "headers": _MADE,
        },
        201: {"description": "it is ready", "headers": _MADE},
        **may_answer(PromptTooLongError, WrongModelError, StorageQuotaExceededError),
    },
    dependencies=[Depends(may("submit"))],
)
async def import_tail(
    *, body: WithFile, caller: Asking, state: State, request: Request, response: Response, key: Key = None
) -> TailView:
    """Take in a tail's file, as `GET /tails/{id}/file` gives it here or elsewhere; edits may use it at once."""
    made = await submit_tail(state, caller.owner, body, key)
    body.let_go()
    response.headers["Location"] = f"{request.scope['root_path']}/tails/{made.spec.tail_id}"
    if made.replayed:
        response.status_code = 200
        response.headers["Idempotency-Replayed"] = "true"
    links = Links.of(request, state.services)
    return await state.threads.intake.run(tail_view, made.spec, made.end, made.end.status, made.labels, links)


@router.get("/{tail_id}", dependencies=[Depends(may("read"))])
def read_tail(tail_id: TailId, services: Use, request: Request) -> TailView:
    """Return a tail: what it was learned from, and where its file is once it is ready."""
    spec, end = services.jobs.tail_end(tail_id)
    status = end.status if end else services.jobs.state(spec.id).status
    return tail_view(spec, end, status, services.jobs.labels(spec), Links.of(request, services))


@router.patch("/{tail_id}", dependencies=[Depends(may("submit"))])
def label_tail(body: Small, tail_id: TailId, services: Use, request: Request) -> TailView:
    """Change a tail's labels: those that are named are set, or with null removed; the others stay (RFC 7396)."""
    changes = parse(LabelChanges, body).labels
    spec = services.jobs.tail_end(tail_id)[0]
    labels = services.jobs.labels(spec) | changes
    services.jobs.relabel(spec, check_labels(services.settings, {k: v for k, v in labels.items() if v is not None}))
    return read_tail(tail_id, services, request)


@router.get(
    "/{tail_id}/file",
    status_code=307,
    response_class=RedirectResponse,
    responses={307: {"description": "a signed URL of the file (safetensors)", "headers": headers("Location")}},
    dependencies=[Depends(may("read"))],
)
def read_tail_file(tail_id: TailId, services: Use, request: Request) -> RedirectResponse:
    """Lead to the tail's file (safetensors)."""
    spec, end = services.jobs.tail_end(tail_id)
    if end is None or end.tail_key is None:
        raise NotFoundError(f"{tail_id} has no file: its job was not successful yet", id=tail_id, job_id=spec.id)
    return RedirectResponse(tail_url(spec, end.tail_key, Links.of(request, services)))


@router.delete("/{tail_id}", dependencies=[Depends(may("submit"))])
def delete_tail(tail_id: TailId, services: Use, caller: Asking, edits: Edits = "keep") -> DeletionView:
    """Delete a tail with all bytes of its personalization, the source picture included; the edits only if asked to."""
    deleted = services.jobs.deletion.tail(tail_id)
    if edits == "delete":
        deleted.add(services.jobs.deletion.edits(caller.owner, tail_id))
    return deletion_view(deleted)
