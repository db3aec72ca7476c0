"""Somebody else's HTTP server: notes what it is asked and answers as a test says."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Asked:
    """One request; header names are lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """What to answer: all of a body, or bytes written by `drip` as slowly as it likes."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    drip: Callable[[Callable[[bytes], Any]], None] | None = None


@dataclass
class Receiver:
    """A running server; `answer` may be exchanged at any time."""

    port: int
    answer: Callable[[Asked], Reply]
    asked: list[Asked] = field(default_factory=list)
    _news: threading.Condition = field(default_factory=threading.Condition)

    def url(self, path: str = "/", *, host: str = "127.0.0.1", scheme: str = "http") -> str:
        """Return the URL of a path."""
        return f"{scheme}://{host}:{self.port}{path}"

    def note(self, asked: Asked) -> Reply:
        """Keep a request and return its reply."""
        with self._news:
            self.asked.append(asked)
            self._news.notify_all()
        return self.answer(asked)

    def wait(self, happened: Callable[[list[Asked]], bool], what: str, timeout_s: float = 60) -> None:
        """Wait until the requests so far are as a test expects them."""
        with self._news:
            assert self._news.wait_for(lambda: happened(self.asked), timeout_s), f"waited in vain for {what}"


@contextmanager
def receiver(
    answer: Callable[[Asked], Reply] = lambda _: Reply(), tls: ssl.SSLContext | None = None
) -> Iterator[Receiver]:
    """Run a receiver on a free port of 127.0.0.1 for the length of the block."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    server.receiver = running = Receiver(server.server_address[1], answer)  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield running
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        reply = self.server.receiver.note(Asked(self.command, self.path, headers, body))  # type: ignore[attr-defined]
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if reply.drip is None:
            self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        try:
            if reply.drip is None:
                self.wfile.write(reply.body)
            else:
                reply.drip(self._write)
        except OSError:
            return  # who asked has heard enough

    def _write(self, data: bytes) -> None:
        self.wfile.write(data)
        self.wfile.flush()

    do_GET = do_POST = _serve  # noqa: N815 - http.server's names

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        """Say nothing."""
