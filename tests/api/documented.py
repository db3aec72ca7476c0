"""Every answer that a test gets must be one that the OpenAPI document tells of."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import httpx
import jsonschema_rs

from api.app import create_app
from api.problems import TYPE_PREFIX
from core.config import Settings

PROBLEM = "application/problem+json"
UNDOCUMENTED = ("OPTIONS", "HEAD")


def check_documented(answer: httpx.Response) -> None:
    """Fail if an answer's status, media type, type of problem or members are not what the document says.

    For httpx' hooks. A path without a description, and a method that it does not have, are not looked at.
    """
    operation = operation_of(answer.request)
    if operation is None:
        return
    name, status = operation["operationId"], str(answer.status_code)
    assert status in operation["responses"], f"{name} answered {status}, which docs/openapi.json does not have"
    content = operation["responses"][status].get("content", {})
    kind = answer.headers.get("content-type", "").partition(";")[0]
    assert not kind or kind in content, f"{name} answered {status} as {kind}, not as one of {list(content)}"
    if kind.endswith("json"):
        _check_body(name, content[kind], answer)


def _check_body(name: str, content: dict[str, Any], answer: httpx.Response) -> None:
    body = answer.read() and answer.json()
    if answer.headers["content-type"] == PROBLEM:
        known = [TYPE_PREFIX + one for one in content["examples"]]
        assert body["type"] in known, f"{name} answered {body['type']}, and the document knows {known}"
    _validator(content["schema"].get("$ref", name)).validate(body)


def operation_of(request: httpx.Request) -> dict[str, Any] | None:
    """Return the description of what was asked for."""
    path = request.url.path.removeprefix("/v1")
    for pattern, methods in _patterns():
        if pattern.fullmatch(path):
            found: dict[str, Any] | None = methods.get(request.method.lower())
            return found
    return None


@cache
def _document() -> dict[str, Any]:
    return create_app(Settings.model_construct()).openapi()


@cache
def _patterns() -> list[tuple[re.Pattern[str], dict[str, Any]]]:
    paths = sorted(_document()["paths"].items(), key=lambda item: "{" in item[0])
    return [(re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), methods) for path, methods in paths]


@cache
def _validator(ref: str) -> Any:
    schema = {"$ref": ref} if ref.startswith("#") else _inline(ref)
    return jsonschema_rs.Draft202012Validator(schema | {"components": _document()["components"]})


def _inline(operation_id: str) -> dict[str, Any]:
    """Return the schema of an answer that has no name: a list, or one of several."""
    for methods in _document()["paths"].values():
        for operation in methods.values():
            if operation["operationId"] == operation_id:
                found: dict[str, Any] = operation["responses"]["200"]["content"]["application/json"]["schema"]
                return found
    raise AssertionError(operation_id)
