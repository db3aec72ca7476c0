"""The OpenAPI document: what the routes say of themselves, put together and completed."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.responses import HTMLResponse, JSONResponse

from api.versions import V1

URL = "/openapi.json"


def operation_id(route: APIRoute) -> str:
    """Return what clients call an operation: as the function behind it is called, so renaming that breaks them."""
    return route.name


def install(app: FastAPI) -> None:
    """Serve the document, with this server's address in it."""

    def described() -> dict[str, Any]:
        app.openapi_schema = app.openapi_schema or document(app)
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]

    @app.get(URL, include_in_schema=False)
    @app.head(URL, include_in_schema=False)
    async def openapi_document(request: Request) -> JSONResponse:
        prefix = request.scope.get("root_path", "").removesuffix(V1)
        return JSONResponse(app.openapi() | {"servers": _servers(prefix)})

    @app.get("/docs", include_in_schema=False)
    @app.head("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return get_swagger_ui_html(openapi_url="openapi.json", title=app.title)


def document(app: FastAPI) -> dict[str, Any]:
    """Return the document of an app, the same for all settings: what a server allows, `GET /limits` tells."""
    return get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        routes=app.routes,
        servers=_servers(""),
    )


def _servers(prefix: str) -> list[dict[str, Any]]:
    return [{"url": prefix + V1, "description": "this server"}]
