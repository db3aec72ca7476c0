"""`/docs`: all calls, to read and to try, from the OpenAPI document."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.web.swagger import HEADERS, PAGE, reference_files
from core.errors import NotFoundError

router = APIRouter(prefix="/docs", include_in_schema=False)


@router.head("")
@router.get("")
def reference(request: Request) -> Response:
    """Serve the page."""
    return reference_files()[PAGE].answer(request.headers, HEADERS)


@router.head("/{name}")
@router.get("/{name}")
def reference_file(name: str, request: Request) -> Response:
    """Serve a file of the page."""
    if name == PAGE or name not in reference_files():
        raise NotFoundError(f"there is no file {name[:100]}")
    return reference_files()[name].answer(request.headers, HEADERS)
