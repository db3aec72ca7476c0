"""Request bodies: JSON, or a form with a file, read within limits before anything looks at them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import NoReturn

from starlette.requests import ClientDisconnect, Request
from starlette.types import Message, Receive

from api.intake.parsing import FORMS, JSON, Body, parse_body
from api.problems import MalformedRequestError, UnsupportedMediaTypeError
from api.state import state_of
from core.errors import PayloadTooLargeError

FORM_OVERHEAD = 64 * 1024  # boundaries, headers and the text fields of a form


def body_reader(max_bytes: Callable[[Request], int], *repeatable: str) -> Callable[[Request], AsyncIterator[Body]]:
    """Return a dependency that reads a JSON or form body of at most so many bytes.

    A form may hold the `repeatable` fields more than once.
    """
    several = frozenset(repeatable)

    async def read(request: Request) -> AsyncIterator[Body]:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in (JSON, *FORMS):
            raise UnsupportedMediaTypeError(
                f"the body's type is {kind or 'not given'}; it may be application/json or {' or '.join(FORMS)}"
            )
        state, limit = state_of(request), max_bytes(request)
        with ExitStack() as held:
            take = held.enter_context(state.bodies.share())
            chunks = await _chunks(Request(request.scope, _limited(request, limit, take)))
            body = await state.threads.parsing.run(parse_body, kind, request.headers, chunks, limit, several)
            yield replace(body, held=held)

    return read


async def _chunks(limited: Request) -> list[bytes]:
    try:
        return [chunk async for chunk in limited.stream()]
    except ClientDisconnect:
        raise MalformedRequestError("the body ended before its time") from None


def _limited(request: Request, max_bytes: int, take: Callable[[int], None]) -> Receive:
    """Return the request's receive channel, which raises PayloadTooLargeError beyond so many bytes."""
    announced = request.headers.get("content-length", "")
    received = 0

    async def receive() -> Message:
        nonlocal received
        if announced.isdecimal() and int(announced[:20]) > max_bytes:
            _too_large(max_bytes)
        message = await request.receive()
        size = len(message.get("body", b""))
        received += size
        if received > max_bytes:
            _too_large(max_bytes)
        take(size)
        return message

    return receive


def _too_large(max_bytes: int) -> NoReturn:
    raise PayloadTooLargeError(f"the body is over the limit of {max_bytes} bytes", limit=max_bytes)
