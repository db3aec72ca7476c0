"""Pictures that a client names by URL: fetched before the job is accepted, which then never depends on the URL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager

import httpx

from api.intake.room import Room, Tally
from api.outbound.client import Answer, Outbound, OutboundError
from api.outbound.urls import check_url
from core.config import Settings
from core.errors import InvalidInputError, InvalidPictureError, OverloadedError
from core.limits import named_limit

MOST_REDIRECTS = 3
RETRY_AFTER_S = 10
_REDIRECTS = (301, 302, 303, 307, 308)
_ANY_CONTENT = ("", "application/octet-stream", "binary/octet-stream")  # said by servers that do not know
_HEADERS = {"Accept": "image/jpeg, image/png, image/webp", "Accept-Encoding": "identity"}
Take = Callable[[int], None]


class PictureFetcher:
    """Fetches some pictures at once, each within limits of size, time and redirects; the others wait, not for ever."""

    def __init__(self, outbound: Outbound, settings: Settings, bodies: Tally) -> None:
        self._outbound = outbound
        self._settings = settings
        self._bodies = bodies
        self._room = Room(settings.picture_url_fetches)

    @asynccontextmanager
    async def fetched(self, field: str, url: str) -> AsyncIterator[bytes]:
        """Yield the picture at `url`; its bytes count as a body's while the block lasts.

        Raises InvalidInputError and InvalidPictureError, which name the field, and OverloadedError.
        """
        first = check_url(self._outbound.guard, field, url)
        with ExitStack() as held:
            answer = await self._in_turn(field, first, held)
            yield answer.body

    async def _in_turn(self, field: str, url: httpx.URL, held: ExitStack) -> Answer:
        try:
            async with self._room.of(1, self._settings.max_decode_wait_s):
                return await self._follow(field, url, held)
        except TimeoutError:
            limit = named_limit(self._settings, "picture_url_fetches")
            detail = f"more pictures wait to be fetched than {limit['limit']} at a time allow; send it again later"
            raise OverloadedError(detail, retry_after_s=RETRY_AFTER_S, **limit) from None

    async def _follow(self, field: str, url: httpx.URL, held: ExitStack) -> Answer:
        for _ in range(MOST_REDIRECTS + 1):
            with ExitStack() as taken:  # what a redirect says is let go before the next is asked
                answer = await self._ask(field, url, taken.enter_context(self._bodies.share()))
                if answer.status not in _REDIRECTS:
                    held.enter_context(taken.pop_all())
                    return self._checked(field, url, answer)
            url = self._next(field, url, answer)
        detail = f"{field} leads on more than {MOST_REDIRECTS} times"
        raise InvalidPictureError("redirects", detail, field=field, limit=MOST_REDIRECTS)

    async def _ask(self, field: str, url: httpx.URL, take: Take) -> Answer:
        max_bytes, timeout_s = self._settings.max_picture_bytes, self._settings.picture_url_timeout_s
        try:
            return await self._outbound.send(
                "GET", url, headers=_HEADERS, max_bytes=max_bytes, timeout_s=timeout_s, take=take
            )
        except OutboundError as error:
            limit = named_limit(self._settings, "picture_url_timeout_s") if error.reason == "timeout" else {}
            raise InvalidPictureError(error.reason, f"{field}: {error.detail}", field=field, **limit) from None

    def _next(self, field: str, url: httpx.URL, answer: Answer) -> httpx.URL:
        try:
            return check_url(self._outbound.guard, field, str(url.join(answer.headers.get("Location", ""))))
        except (InvalidInputError, httpx.InvalidURL) as error:
            detail = f"{field}: {url.host} leads on to a URL that can't be followed"
            raise InvalidPictureError("redirects", detail, field=field) from error

    def _checked(self, field: str, url: httpx.URL, answer: Answer) -> Answer:
        if answer.status != httpx.codes.OK:
            detail = f"{field}: {url.host} answered {answer.status}"
            raise InvalidPictureError("status", detail, field=field, upstream_status=answer.status)
        if answer.cut:
            limit = named_limit(self._settings, "max_picture_bytes")
            raise InvalidPictureError(
                "too-large", f"{field} has more than {limit['limit']} bytes", field=field, **limit
            )
        kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if (not kind.startswith("image/") and kind not in _ANY_CONTENT) or "Content-Encoding" in answer.headers:
            detail = f"{field}: {url.host} answered with {kind or 'encoded content'}, not with a picture"
            raise InvalidPictureError("content-type", detail, field=field)
        return answer
