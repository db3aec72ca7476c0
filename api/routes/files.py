"""Objects of a local storage folder, for whoever has a signed URL."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from api.state import Use
from core.errors import NotFoundError
from core.storage.base import ObjectMissingError
from core.storage.signing import content_disposition, verify

router = APIRouter(prefix="/files", include_in_schema=False)


@router.get("/{key:path}")
def read_file(key: str, services: Use, request: Request) -> Response:
    """Serve an object of a local folder to whoever has a signed URL for it; S3 serves its own."""
    query = request.query_params
    verify(services.secret, key, query)
    try:
        data = services.storage.get(key)
    except ObjectMissingError:
        raise NotFoundError("the file was deleted") from None
    headers = {"Content-Disposition": content_disposition(query["name"]), "X-Content-Type-Options": "nosniff"}
    return Response(data, media_type=query["type"], headers=headers | {"Cache-Control": "private, max-age=3600"})
