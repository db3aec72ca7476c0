"""Connections from strangers: a head and an answer's taking have their time, idle ones are closed, all are bounded.

`uvicorn api.app:app --http api.connections:Connection` serves with them; uvicorn itself waits for a head for ever.
"""

from __future__ import annotations

import asyncio
import json
import resource
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.problems import MEDIA_TYPE, TYPE_PREFIX
from api.waiting.watcher import Watcher
from core.config import Settings
from core.limits import named_limit

OTHER_FILES = 512  # storage's, Redis', logs': what a process opens beside connections
RETRY_AFTER_S = 5


class ConnectionMetrics:
    """What this process counts of connections."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.open = Gauge("tailor_http_connections", "Connections that are open", registry=registry)
        self.ended = Counter(
            "tailor_http_connections_ended",
            "Connections that the server ended: idle, head (not in time), unread (an answer not taken) or refused",
            ["reason"],
            registry=registry,
        )
        for reason in ("idle", "head", "unread", "refused"):
            self.ended.labels(reason)


class Connection(HttpToolsProtocol):
    """One connection. It waits for the first byte of a request, then for its whole head, then for the application."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        state = self.app_state["app_state"]
        self._settings: Settings = state.services.settings
        self._watcher: Watcher = state.watcher
        self._metrics: ConnectionMetrics = state.metrics.connections
        self._deadline: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        self._has_begun = False  # a head, of which there is a byte
        self.timeout_keep_alive = self._settings.idle_timeout_s  # parts of a second, too

    # What comes

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, or tell that there are too many."""
        super().connection_made(transport)
        self._metrics.open.inc()
        if len(self.connections) > self._settings.max_connections:
            self._end("refused", 503, "overloaded", "Overloaded", **named_limit(self._settings, "max_connections"))
        else:
            self._expect("idle", self._settings.idle_timeout_s)

    def data_received(self, data: bytes) -> None:
        """Take some bytes: of a head, which has so long from its first one on, or of a body."""
        waits = self.cycle is None or self.cycle.response_complete
        if waits and not self._has_begun:
            self._has_begun = True
            self._expect("head", self._settings.head_timeout_s)
        super().data_received(data)

    def on_headers_complete(self) -> None:
        """Give a request with a whole head to the application."""
        self._has_begun = False
        self._stop_waiting()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._metrics.open.dec()
        self._stop_waiting()
        self.resume_writing()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """End as soon as what is under way is answered: long polls and streams of events answer now."""
        self._watcher.stop()
        super().shutdown()

    # What goes

    def pause_writing(self) -> None:
        """Wait for a client that does not take its answer, but not for ever."""
        super().pause_writing()
        self._unread = self.loop.call_later(self._settings.unread_timeout_s, self._end, "unread")

    def resume_writing(self) -> None:
        """Go on writing."""
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None
        if self.flow is not None:
            super().resume_writing()

    # What takes too long

    def _expect(self, what: str, seconds: float) -> None:
        self._stop_waiting()
        self._deadline = self.loop.call_later(seconds, self._is_late, what)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _is_late(self, what: str) -> None:
        if what == "head":
            limit = named_limit(self._settings, "head_timeout_s")
            self._end("head", 408, "request-timeout", "Request not sent in time", **limit)
        else:
            self._end(what)

    def _end(self, reason: str, status: int = 0, type_: str = "", title: str = "", **members: Any) -> None:
        """End the connection, with a problem if there is a status."""
        if self.transport.is_closing():
            return
        self._metrics.ended.labels(reason).inc()
        if not status:
            self.transport.abort()  # what it has not taken, it does not get
            return
        self.transport.write(_answer(status, type_, title, members))
        self.transport.close()


def _answer(status: int, type_: str, title: str, members: dict[str, Any]) -> bytes:
    limit = members["limit"]
    detail = f"more connections than {limit}" if status == 503 else f"the head did not come within {limit:g} seconds"
    document = {"type": TYPE_PREFIX + type_, "title": title, "status": status, "detail": detail, "instance": "/"}
    body = json.dumps(document | members).encode()
    reason = "Service Unavailable" if status == 503 else "Request Timeout"
    head = f"HTTP/1.1 {status} {reason}\r\nContent-Type: {MEDIA_TYPE}\r\nContent-Length: {len(body)}\r\n"
    head += f"Retry-After: {RETRY_AFTER_S}\r\n" if status == 503 else ""
    return head.encode() + b"Connection: close\r\n\r\n" + body


def allow_files(max_connections: int) -> None:
    """Let this process open as many files as its connections need, as far as the system's hard limit goes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = max_connections + OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
