"""The methods of a path: all of them stand in `Allow`, for what is refused and for OPTIONS alike."""

from __future__ import annotations

from fastapi import Request
from starlette.responses import Response
from starlette.routing import Match

_ROUTED = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


def allowed_methods(request: Request) -> str:
    """Return the value of `Allow`: the router names only the methods of one of the routes that a path has."""
    scope = {name: request.scope[name] for name in ("type", "path", "root_path", "headers")}
    found = [
        method
        for method in _ROUTED
        if any(route.matches(scope | {"method": method})[0] is Match.FULL for route in request.app.routes)
    ]
    return ", ".join([*found, "OPTIONS"])


def options_answer(request: Request) -> Response:
    """Say which methods a path has. What browsers ask before they send a request is answered before this."""
    return Response(status_code=204, headers={"Allow": allowed_methods(request)})
