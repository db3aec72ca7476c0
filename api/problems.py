"""Every error as a problem document (RFC 9457) with a stable `type`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from api.methods import allowed_methods, options_answer
from core.errors import TailorError

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:tailor:problem:"
LONGEST_NUMBER = 30  # characters of a sent number that is said again
_BOUNDS = ("le", "lt", "ge", "gt", "max_length", "min_length")  # as pydantic calls them
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")

# The types of errors that the framework raises before any of our code runs.
_FRAMEWORK = {
    400: ("malformed-request", "Malformed request"),
    404: ("not-found", "Not found"),
    405: ("method-not-allowed", "Method not allowed"),
    413: ("payload-too-large", "Payload too large"),
    415: ("unsupported-media-type", "Unsupported media type"),
}


class ProblemResponse(Response):
    """A problem document. Written in ASCII, as a refused text may hold what UTF-8 cannot."""

    media_type = MEDIA_TYPE

    def render(self, content: Any) -> bytes:
        """Return the document as bytes."""
        return json.dumps(content).encode()


class UnsupportedMediaTypeError(TailorError):
    """The body is of a kind that this call does not take."""

    status, type, title = 415, "unsupported-media-type", "Unsupported media type"


class MalformedRequestError(TailorError):
    """The body can't be parsed at all."""

    status, type, title = 400, "malformed-request", "Malformed request"


class CrossSiteError(TailorError):
    """A page of another origin had a browser send this."""

    status, type, title = 403, "cross-site", "Sent by another site"


class UnknownHostError(TailorError):
    """No key is needed, and `Host` does not name this server."""

    status, type, title = 421, "unknown-host", "Unknown host"


class InternalError(TailorError):
    """A bug; the log has it under the request id."""


def answer(path: str, error: TailorError) -> ProblemResponse:
    """Return an error as a response."""
    return problem(path, error.status, error.type, error.title, error.detail, headers=error.headers, **error.extra)


def problem(
    path: str,
    status: int,
    type_: str,
    title: str,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    **extra: Any,
) -> ProblemResponse:
    """Return one problem as a response; `extra` holds further members of the document."""
    document = {"type": TYPE_PREFIX + type_, "title": title, "status": status, "detail": detail, "instance": path}
    return ProblemResponse(document | extra, status_code=status, headers=headers)


def install(app: FastAPI) -> None:
    """Make every error of the app a problem document."""
    app.add_exception_handler(TailorError, _tailor_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)


def internal(path: str) -> ProblemResponse:
    """Return what the caller hears of a bug: nothing of its inside."""
    return answer(path, InternalError("an unexpected error; the log has it under the request id"))


async def _tailor_error(request: Request, error: Exception) -> Response:
    return answer(request.url.path, cast(TailorError, error))


async def _validation_error(request: Request, error: Exception) -> Response:
    errors = field_errors(cast(RequestValidationError, error).errors())
    detail = "; ".join(f"{e['field']}: {e['detail']}" for e in errors)
    members = first_error(errors)
    return problem(request.url.path, 422, "invalid-input", "Invalid input", detail, errors=errors, **members)


async def _http_error(request: Request, error: Exception) -> Response:
    error = cast(HTTPException, error)
    if error.status_code == 405:
        if request.method == "OPTIONS":
            return options_answer(request)
        error.headers = {"Allow": allowed_methods(request)}
    type_, title = _FRAMEWORK.get(error.status_code, (f"http-{error.status_code}", str(error.detail)))
    return problem(request.url.path, error.status_code, type_, title, str(error.detail), headers=error.headers)


def field_errors(errors: Any) -> list[dict[str, Any]]:
    """Return pydantic's errors as field, detail and limit, without the refused values."""
    named = ((".".join(str(part) for part in e["loc"] if part not in ("query", "path", "header")), e) for e in errors)
    return [{"field": field, "detail": _said(field, e)} | _limit(e) for field, e in named]


def first_error(errors: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what a problem with several errors says of the first: its field and, if it has one, its limit."""
    return {name: value for name, value in errors[0].items() if name in ("field", "limit")}


def _limit(error: Any) -> dict[str, Any]:
    """Return the limit that a value is over or under, as a member."""
    context = error.get("ctx") or {}
    return next(({"limit": context[name]} for name in _BOUNDS if isinstance(context.get(name), int | float)), {})


def _said(field: str, error: Any) -> str:
    if error["type"] == "extra_forbidden":
        return f"there is no field {field!r} here"
    if error["type"] == "missing":
        return "is required"
    return _without_quotes(error) or str(error["msg"])


def _without_quotes(error: Any) -> str | None:
    """Return what to say of a number or truth value that was sent as a text, which JSON tells apart."""
    sent = error.get("input")
    if not isinstance(sent, str) or len(sent) > LONGEST_NUMBER:
        return None
    if error["type"] in ("int_type", "float_type") and _NUMBER.fullmatch(sent):
        return f'should be a number, and is a text: in JSON without quotes, {sent} in place of "{sent}"'
    if error["type"] == "bool_type" and sent in ("true", "false"):
        return f'should be true or false, and is a text: in JSON without quotes, {sent} in place of "{sent}"'
    return None
