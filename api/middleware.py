"""Request ids, the access log, and a 500 without a trace for what nobody caught."""

from __future__ import annotations

import re
import secrets
import time
from dataclasses import dataclass
from typing import cast

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.access.rates import HEADERS as RATE_HEADERS
from api.problems import internal
from api.state import AppState

log = structlog.get_logger()
REQUEST_ID = "X-Request-Id"
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")  # what a client makes up is one label
_PROBES = ("/healthz", "/readyz", "/metrics")  # asked every few seconds, by nobody who reads the log
_ACCEPTABLE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass
class _Seen:
    status: int = 500
    started: bool = False


class RequestLog:
    """Gives every request an id, logs and counts its answer, and answers for what nobody caught."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get(REQUEST_ID, "")
        request_id = given if _ACCEPTABLE_ID.fullmatch(given) else secrets.token_hex(8)
        seen, began = _Seen(), time.perf_counter()

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen.status, seen.started = message["status"], True
                headers = MutableHeaders(scope=message)
                headers[REQUEST_ID] = request_id
                headers.update(scope.get("state", {}).get(RATE_HEADERS, {}))
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            await self._serve(scope, receive, sending, seen)
            self._note(scope, seen, time.perf_counter() - began)
            structlog.contextvars.unbind_contextvars("key")  # who it was is known only inside

    async def _serve(self, scope: Scope, receive: Receive, send: Send, seen: _Seen) -> None:
        try:
            await self.app(scope, receive, send)
        except Exception:  # the last place where a bug becomes an answer
            log.exception("http.request.crashed", path=scope["path"])
            if seen.started:
                raise
            await internal(scope["path"])(scope, receive, send)

    def _note(self, scope: Scope, seen: _Seen, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "none")
        note = log.debug if scope["path"] in _PROBES else log.info
        note(
            "http.request",
            method=scope["method"],
            path=scope["path"],
            status=seen.status,
            ms=round(seconds * 1000, 1),
        )
        state = cast("AppState | None", scope.get("state", {}).get("app_state"))
        if state is not None:
            method = scope["method"] if scope["method"] in _METHODS else "other"
            state.metrics.requests.labels(method, route, str(seen.status)).inc()
            state.metrics.latency.labels(method, route).observe(seconds)
