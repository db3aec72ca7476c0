"""The page at `/`."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import HTMLResponse

router = APIRouter(include_in_schema=False)

PAGE = """<!doctype html>
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


@router.head("/", response_class=HTMLResponse)
@router.get("/", response_class=HTMLResponse)
async def home() -> str:
    """Show where everything is."""
    return PAGE
