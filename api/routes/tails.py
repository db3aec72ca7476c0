"""Reading, downloading and deleting tails."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse

from api.callers import TailId, may
from api.state import Use
from api.views.links import Links
from api.views.tails import TailView, tail_url, tail_view
from core.errors import NotFoundError

router = APIRouter(prefix="/tails", tags=["tails"])


@router.get("/{tail_id}", dependencies=[Depends(may("read"))])
def read_tail(tail_id: TailId, services: Use, request: Request) -> TailView:
    """Return a tail: what it was learned from, and where its file is once it is ready."""
    spec, end = services.jobs.tail_end(tail_id)
    status = end.status if end else services.jobs.state(spec.id).status
    return tail_view(spec, end, status, Links.of(request, services))


@router.get("/{tail_id}/file", status_code=307, response_class=RedirectResponse, dependencies=[Depends(may("read"))])
def read_tail_file(tail_id: TailId, services: Use, request: Request) -> RedirectResponse:
    """Lead to the tail's file (safetensors)."""
    spec, end = services.jobs.tail_end(tail_id)
    if end is None or end.tail_key is None:
        raise NotFoundError(f"{tail_id} has no file: its job was not successful yet", id=tail_id, job_id=spec.id)
    return RedirectResponse(tail_url(spec, end.tail_key, Links.of(request, services)))


@router.delete("/{tail_id}", status_code=204, dependencies=[Depends(may("submit"))])
def delete_tail(tail_id: TailId, services: Use) -> None:
    """Delete a tail with all bytes of its personalization, the source picture included. What edits made of it stays."""
    services.jobs.delete_tail(tail_id)
