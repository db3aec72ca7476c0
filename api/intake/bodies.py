"""Request bodies: JSON, or a form with a file, read within limits before anything looks at them."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, NoReturn

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message, Receive

from api.problems import MalformedRequestError, UnsupportedMediaTypeError
from core.errors import InvalidInputError, PayloadTooLargeError

FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")
FORM_OVERHEAD = 64 * 1024  # boundaries, headers and the text fields of a form
MAX_FORM_FIELDS = 50


@dataclass(frozen=True)
class Body:
    """What a client sent: fields as they came, `picture` as bytes (a file) or text (a data URI) among them."""

    fields: dict[str, Any]
    strict: bool
    """Whether values have their JSON types; the values of a form are all text."""


def body_reader(max_bytes: Callable[[Request], int]) -> Callable[[Request], Awaitable[Body]]:
    """Return a dependency that reads a JSON or form body of at most so many bytes."""

    async def read(request: Request) -> Body:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        limited = Request(request.scope, _limited(request, max_bytes(request)))
        try:
            if kind == "application/json":
                return Body(_parse_json(await limited.body()), strict=True)
            if kind in FORMS:
                return Body(await _read_form(limited, max_bytes(request)), strict=False)
        except ClientDisconnect:
            raise MalformedRequestError("the body ended before its time") from None
        raise UnsupportedMediaTypeError(
            f"the body's type is {kind or 'not given'}; it may be application/json or {' or '.join(FORMS)}"
        )

    return read


def _limited(request: Request, max_bytes: int) -> Receive:
    """Return the request's receive channel, which raises PayloadTooLargeError beyond so many bytes."""
    announced = request.headers.get("content-length", "")
    received = 0

    async def receive() -> Message:
        nonlocal received
        if announced.isdecimal() and int(announced[:20]) > max_bytes:
            _too_large(max_bytes)
        message = await request.receive()
        received += len(message.get("body", b""))
        if received > max_bytes:
            _too_large(max_bytes)
        return message

    return receive


def _too_large(max_bytes: int) -> NoReturn:
    raise PayloadTooLargeError(f"the body is over the limit of {max_bytes} bytes", limit=max_bytes)


def _parse_json(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise MalformedRequestError(f"the body is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise MalformedRequestError("the body is not a JSON object")
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


async def _read_form(request: Request, max_bytes: int) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    try:
        async with request.form(max_files=2, max_fields=MAX_FORM_FIELDS, max_part_size=max_bytes) as form:
            for name, value in form.multi_items():
                if name in fields:
                    raise InvalidInputError(name, f"{name} is given twice")
                fields[name] = await _file(name, value) if isinstance(value, UploadFile) else value
    except HTTPException as error:
        raise MalformedRequestError(f"the form can't be read: {error.detail}") from None
    return fields


async def _file(name: str, upload: UploadFile) -> bytes:
    if name != "picture":
        raise InvalidInputError(name, f"{name} is a file; only picture may be one")
    return await upload.read()
