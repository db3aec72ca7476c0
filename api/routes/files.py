"""Objects of a local storage folder, for whoever has a signed URL."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from api.state import Use
from core.errors import NotFoundError
from core.services import Services
from core.storage.base import ObjectMissingError
from core.storage.signing import content_disposition, verify

DELETED = "the file was deleted"
router = APIRouter(prefix="/files", include_in_schema=False)


@router.get("/{key:path}")
def read_file(key: str, services: Use, request: Request) -> Response:
    """Serve an object of a local folder to whoever has a signed URL for it; S3 serves its own."""
    headers = _allowed(services, key, request)
    try:
        data = services.storage.get(key)
    except ObjectMissingError:
        raise NotFoundError(DELETED) from None
    return Response(data, media_type=request.query_params["type"], headers=headers)


@router.head("/{key:path}")
def head_file(key: str, services: Use, request: Request) -> Response:
    """Tell what GET would serve, without reading it."""
    headers = _allowed(services, key, request)
    found = services.storage.head(key)
    if found is None:
        raise NotFoundError(DELETED)
    headers["Content-Length"] = str(found.size)
    return Response(media_type=request.query_params["type"], headers=headers)


def _allowed(services: Services, key: str, request: Request) -> dict[str, str]:
    """Return the answer's headers; raises ForbiddenError without a good signature."""
    query = request.query_params
    verify(services.secret, key, query)
    return {
        "Content-Disposition": content_disposition(query["name"]),
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, max-age=3600",
    }
