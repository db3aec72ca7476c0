"""The page at `/`: to browsers the playground, to whoever asks otherwise where everything is."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from api.state import Use
from api.web.assets import PAGE, assets
from api.web.policy import page_headers
from core.errors import NotFoundError

router = APIRouter(include_in_schema=False)

CONTENTS = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Tailor</title>
<body style="font: 1rem/1.5 system-ui, sans-serif; max-width: 40rem; margin: 4rem auto; padding: 0 1rem">
<h1>Tailor</h1>
<p>One picture of a subject in, any number of edits of that subject out.</p>
<ul>
<li><a href="docs">Try the calls</a></li>
<li><a href="openapi.json">OpenAPI</a></li>
<li><a href="models">Models</a>, <a href="readyz">readiness</a>, <a href="metrics">metrics</a></li>
</ul>
</body>
</html>
"""


@router.head("/")
@router.get("/")
def home(request: Request, services: Use) -> Response:
    """Serve the playground to browsers, which ask for HTML by name; others get a page of links."""
    if "text/html" not in request.headers.get("accept", ""):
        return HTMLResponse(CONTENTS, headers={"Vary": "Accept"})
    return assets()[PAGE].answer(request.headers, page_headers(services))


@router.head("/web/{path:path}")
@router.get("/web/{path:path}")
def web_file(path: str, request: Request) -> Response:
    """Serve a file of the playground."""
    if path == PAGE or path not in assets():
        raise NotFoundError(f"there is no file {path[:100]}")
    return assets()[path].answer(request.headers)
