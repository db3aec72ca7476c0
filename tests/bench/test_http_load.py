"""The load generator against a real HTTP server."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bench.load.http_load import run


class Handler(BaseHTTPRequestHandler):
    """Answers GET with 200, and POST with 202 if the body arrived whole, else 422."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(200)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(202 if body == '{"prompt": "ein Fuß"}'.encode() else 422)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/jobs/1"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(("body", "refused"), [(None, False), ('{"prompt": "ein Fuß"}', False), ("{}", True)])
def test_requests_are_counted_and_refusals_told(url: str, body: str | None, refused: bool) -> None:
    load = asyncio.run(run(url, body, connections=2, seconds=0.1))
    assert len(load.seconds) >= 2
    assert set(load.refused) == ({422} if refused else set())
