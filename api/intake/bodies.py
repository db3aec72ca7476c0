"""Request bodies: JSON, or a form with a file, read within limits before anything looks at them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from starlette.requests import ClientDisconnect, Request
from starlette.types import Message, Receive

from api.intake.parsing import FORMS, JSON, Body, parse_body
from api.problems import MalformedRequestError, UnsupportedMediaTypeError
from api.state import state_of
from core.config import Settings
from core.errors import PayloadTooLargeError, RequestTimeoutError
from core.limits import named_limit, setting_name

FORM_OVERHEAD = 64 * 1024  # boundaries, headers and the text fields of a form


@dataclass(frozen=True)
class BodyLimit:
    """How many bytes a body may have: those of what a setting bounds, as base64, and of the fields beside it.

    Without a setting it is `beside` alone.
    """

    setting: str | None = None
    beside: int = FORM_OVERHEAD

    def named(self, settings: Settings) -> dict[str, Any]:
        """Return the limit as problems name it."""
        if self.setting is None:
            return {"limit": self.beside}
        most = getattr(settings, self.setting) * 4 // 3 + self.beside  # base64 is a third longer
        return {"limit": most, "setting": setting_name(self.setting)}


def body_reader(most: BodyLimit, *repeatable: str) -> Callable[[Request], AsyncIterator[Body]]:
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
        state = state_of(request)
        limit = most.named(state.services.settings)
        with ExitStack() as held:
            take = held.enter_context(state.bodies.share())
            chunks = await _chunks(Request(request.scope, _limited(request, limit, take)))
            body = await state.threads.parsing.run(parse_body, kind, request.headers, chunks, limit["limit"], several)
            yield replace(body, held=held)

    return read


async def _chunks(limited: Request) -> list[bytes]:
    try:
        return [chunk async for chunk in limited.stream()]
    except ClientDisconnect:
        raise MalformedRequestError("the body ended before its time") from None


def _limited(request: Request, limit: dict[str, Any], take: Callable[[int], None]) -> Receive:
    """Return the request's receive channel, which raises PayloadTooLargeError beyond so many bytes."""
    announced = request.headers.get("content-length", "")
    settings, began = state_of(request).services.settings, time.monotonic()
    received = 0

    async def receive() -> Message:
        nonlocal received
        if announced.isdecimal() and int(announced[:20]) > limit["limit"]:
            _too_large(limit)
        left = settings.body_timeout_s + received / settings.min_body_rate - (time.monotonic() - began)
        try:
            message = await asyncio.wait_for(request.receive(), max(0.0, left))
        except TimeoutError:
            raise _too_slow(settings) from None
        size = len(message.get("body", b""))
        received += size
        if received > limit["limit"]:
            _too_large(limit)
        take(size)
        return message

    return receive


def _too_slow(settings: Settings) -> RequestTimeoutError:
    limit = named_limit(settings, "body_timeout_s")
    detail = f"the body may take {limit['limit']:g} seconds, and longer if {settings.min_body_rate} bytes a second come"
    return RequestTimeoutError(detail, **limit)


def _too_large(limit: dict[str, Any]) -> NoReturn:
    raise PayloadTooLargeError(f"the body is over the limit of {limit['limit']} bytes", **limit)
