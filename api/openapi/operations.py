"""Completes the description of one operation: its body, its headers, links, examples and errors."""

from __future__ import annotations

from typing import Any

from api.intake.identity import MAX_KEY_CHARS
from api.openapi import problems
from api.openapi.answers import examples_of
from api.openapi.bodies import request_bodies
from api.openapi.headers import headers
from api.openapi.links import links_from
from api.openapi.problems import may_answer
from api.openapi.schemas import without_null
from core.errors import GoneError, IdempotencyConflictError, InvalidInputError, TailorError

_BODIES = request_bodies()
# What is checked of parameters beside their types
_PARAMETERS: dict[str, dict[str, Any]] = {
    "job_id": {"pattern": "^job_[0-9a-f]{24}$"},
    "tail_id": {"pattern": "^tail_[0-9a-f]{24}$"},
    "cursor": {"pattern": "^[A-Za-z0-9_-]+=*$"},
    "Idempotency-Key": {"minLength": 1, "maxLength": MAX_KEY_CHARS, "pattern": r"^[ -~\u00a1-\u00ac\u00ae-\u00ff]+$"},
    "label": {
        "items": {"type": "string", "pattern": r"^[A-Za-z0-9][A-Za-z0-9._-]{0,31}:[^\u0000-\u001f\u007f-\u009f]+$"}
    },
}
_RATE = ("RateLimit", "RateLimit-Policy")
_IDS = ("job_id", "tail_id")


def complete(operation: dict[str, Any], method: str, path: str) -> None:
    """Add to an operation's description what follows from the rest of it."""
    name = operation["operationId"]
    operation.setdefault("summary", name)
    if operation["summary"] == name.replace("_", " ").title():  # nobody gave it another
        operation["summary"] = name.replace("_", " ").capitalize()
    for parameter in operation.get("parameters", []):
        parameter["schema"] = without_null(parameter["schema"]) | _PARAMETERS.get(parameter["name"], {})
    if name in _BODIES:
        operation["requestBody"] = _BODIES[name]
    responses = {status: one for status, one in operation["responses"].items() if not _is_frameworks(one)}
    for status, response in may_answer(*_errors(operation, method, path)).items():
        _merge(responses.setdefault(str(status), {"description": ""}), response)
    for status, response in responses.items():
        response.setdefault("headers", {})
        told = headers("X-Request-Id", *_RATE) if "429" in responses else headers("X-Request-Id")
        response["headers"] = dict(sorted((response["headers"] | told).items()))
        if status.startswith("2"):
            _show(response, name, status)
    operation["responses"] = dict(sorted(responses.items()))


def _errors(operation: dict[str, Any], method: str, path: str) -> list[type[TailorError]]:
    parameters = operation.get("parameters", [])
    found: list[type[TailorError]] = list(problems.ANYTHING)
    if operation.get("security"):
        found += problems.WITH_KEY
    if method != "get":
        found += problems.CHANGING
    if "requestBody" in operation:
        found += problems.WITH_BODY
    if any(f"{{{name}}}" in path for name in _IDS):
        found += problems.OF_ONE
    if any(one["in"] in ("query", "path") and one["name"] not in _IDS for one in parameters):
        found.append(InvalidInputError)
    if any(one["name"] == "Idempotency-Key" for one in parameters):
        found += [InvalidInputError, IdempotencyConflictError, GoneError]  # that which it made may be deleted
    return list(dict.fromkeys(found))


def _merge(response: dict[str, Any], more: dict[str, Any]) -> None:
    titles = [title for one in (response, more) for title in one["description"].split(", or: ") if title]
    response["description"] = ", or: ".join(dict.fromkeys(titles))
    response["headers"] = response.get("headers", {}) | more.get("headers", {})
    content = response.setdefault("content", {})
    for kind, added in more["content"].items():
        known = content.setdefault(kind, added)
        content[kind] = known | {"examples": known["examples"] | added["examples"]}


def _show(response: dict[str, Any], operation: str, status: str) -> None:
    """Add examples and links to the description of an answer."""
    if response["description"] == "Successful Response":
        response["description"] = "OK"
    for content in response.get("content", {}).values():
        for schema in _names(content.get("schema", {})):
            if examples := examples_of(schema, under_way=None if operation not in _BODIES else status == "202"):
                content.setdefault("examples", {}).update(examples)
            if links := links_from(operation, schema):
                response.setdefault("links", {}).update(links)


def _names(schema: dict[str, Any]) -> list[str]:
    """Return the names of the schemas that an answer may have."""
    if "$ref" in schema:
        return [schema["$ref"].rpartition("/")[2]]
    if "items" in schema:
        return [f"[{name}]" for name in _names(schema["items"])]
    return [name for each in schema.get("anyOf", []) for name in _names(each)]


def _is_frameworks(response: dict[str, Any]) -> bool:
    schema = response.get("content", {}).get("application/json", {}).get("schema", {})
    return bool(schema.get("$ref", "").endswith("/HTTPValidationError"))
