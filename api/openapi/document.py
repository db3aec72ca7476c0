"""The OpenAPI document: what the routes say of themselves, put together and completed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from fastapi import FastAPI, Request
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.responses import Response

from api.openapi.headers import HEADERS
from api.openapi.operations import complete
from api.openapi.problems import ProblemDocument, problem_examples
from api.openapi.schemas import REF, components
from api.problems import MEDIA_TYPE
from api.versions import V1
from core.config import Settings

URL = "/openapi.json"
METHODS = ("get", "put", "post", "patch", "delete")
_FRAMEWORKS = ("HTTPValidationError", "ValidationError")  # what it would answer itself


def operation_id(route: APIRoute) -> str:
    """Return what clients call an operation: as the function behind it is called, so renaming that breaks them."""
    return route.name


def install(app: FastAPI, settings: Settings) -> None:
    """Serve the document, with this server's address in it."""

    def described() -> dict[str, Any]:
        app.openapi_schema = app.openapi_schema or document(app, settings)
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]

    @lru_cache(maxsize=4)
    def written(prefix: str) -> bytes:
        return json.dumps(app.openapi() | {"servers": _servers(prefix)}, ensure_ascii=False).encode()

    @app.get(URL, include_in_schema=False)
    @app.head(URL, include_in_schema=False)
    def openapi_document(request: Request) -> Response:
        prefix = request.scope.get("root_path", "").removesuffix(V1)
        return Response(written(prefix), media_type="application/json")


def document(app: FastAPI, settings: Settings) -> dict[str, Any]:
    """Return the document of an app, within the limits of its settings."""
    found = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes, servers=_servers("")
    )
    for method, path, operation in operations(found):
        complete(operation, method, path)
    parts = found["components"]
    schemas = {name: schema for name, schema in parts["schemas"].items() if name not in _FRAMEWORKS}
    schemas |= components(settings) | _problem_schemas()
    used = {
        name
        for _, _, operation in operations(found)
        for response in operation["responses"].values()
        for name in response.get("content", {}).get(MEDIA_TYPE, {}).get("examples", {})
    }
    parts |= {"schemas": dict(sorted(schemas.items())), "examples": problem_examples(used), "headers": HEADERS}
    return found


def operations(found: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield method, path and description of all operations in a document."""
    for path, methods in found["paths"].items():
        yield from ((method, path, methods[method]) for method in METHODS if method in methods)


def _problem_schemas() -> dict[str, Any]:
    schema = ProblemDocument.model_json_schema(ref_template=REF + "{model}")
    definitions: dict[str, Any] = schema.pop("$defs")
    return definitions | {"Problem": schema}


def _servers(prefix: str) -> list[dict[str, Any]]:
    return [{"url": prefix + V1, "description": "this server"}]
