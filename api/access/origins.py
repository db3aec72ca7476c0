"""What pages of other sites may do: nothing, unless TAILOR_CORS_ORIGINS names them."""

from __future__ import annotations

from urllib.parse import urlsplit

from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from api.access.doorkeeper import needs_key
from api.access.hosts import is_known_host
from api.problems import CrossSiteError, UnknownHostError, answer
from core.config import Settings
from core.errors import TailorError

_READING = ("GET", "HEAD", "OPTIONS")
SENT = ["Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID", "Prefer", "X-Request-Id"]
EXPOSED = [
    "Allow", "Content-Disposition", "Idempotency-Replayed", "Link", "Location", "Preference-Applied", "RateLimit",
    "RateLimit-Policy", "Retry-After", "WWW-Authenticate", "X-Request-Id",
]  # fmt: skip


def install(app: FastAPI, settings: Settings) -> None:
    """Let in the pages that the settings name, and refuse what others have a browser send."""
    app.add_middleware(SameOrigin, settings=settings)
    if settings.cors_origins_list:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins_list,
            allow_methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=SENT,
            expose_headers=EXPOSED,
            allow_private_network=True,
        )


class SameOrigin:
    """Refuses what a page of another site sends through its visitor's browser.

    A browser sends a form anywhere without asking, so every page could have jobs made, canceled and deleted by the
    server on its visitor's machine. And a name that was made to point to that machine makes a page the server's own:
    so where no key is needed, the host must be one that is known.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and (refusal := self._refusal(scope)):
            await answer(scope["path"], refusal)(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def _refusal(self, scope: Scope) -> TailorError | None:
        """Return what is wrong with a request, if it may not be served."""
        headers = Headers(scope=scope)
        settings = self._settings
        unguarded = settings.require_keys == "auto" and not needs_key("auto", scope)
        if unguarded and "host" in headers and not is_known_host(settings, scope):
            detail = "this server does not know itself by that host; TAILOR_TRUSTED_HOSTS can name it"
            return UnknownHostError(detail)
        if scope["method"] in _READING or self._is_welcome(headers):
            return None
        detail = "a page of another origin sent this; TAILOR_CORS_ORIGINS can name those that may"
        return CrossSiteError(detail)

    def _is_welcome(self, headers: Headers) -> bool:
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        if {origin, "*"} & set(self._settings.cors_origins_list):
            return True
        if site is not None:  # the browser's own word, which no page can change
            return site in ("same-origin", "none")
        if origin is None:
            return True  # no browser
        own = (headers.get("host"), urlsplit(self._settings.public_url or "").netloc)
        return origin != "null" and urlsplit(origin).netloc in own
