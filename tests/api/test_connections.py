"""Connections that do nothing, or too slowly, over real sockets."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import httpx
import pytest

from api.connections import allow_files
from api.waiting.watcher import Watch, Watcher
from core.config import Settings
from core.live.connection import connect_async
from core.services import Services
from core.storage import open_storage
from tests.api.problems import PREFIX
from tests.api.serving import api_server, personalize

QUICK: dict[str, Any] = {"idle_timeout_s": 0.8, "head_timeout_s": 0.3, "body_timeout_s": 0.3, "unread_timeout_s": 0.3}
HEAD = b"POST /edit HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n"


@pytest.fixture(scope="module")
def quick(settings: Settings, services: Services) -> Iterator[httpx.Client]:
    """A server that waits for nobody for long."""
    with api_server(settings.model_copy(update=QUICK | {"min_body_rate": 50})) as client:
        yield client


@contextmanager
def connected(api: httpx.Client) -> Iterator[socket.socket]:
    with socket.create_connection((api.base_url.host, api.base_url.port), timeout=60) as client:
        yield client


def rest(client: socket.socket) -> bytes:
    """Return all that comes until the server closes the connection."""
    read = b""
    with suppress(ConnectionResetError):
        while piece := client.recv(65536):
            read += piece
    return read


def check(answer: bytes, status: int, type_: str, setting: str) -> None:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode()), answer
    assert b"application/problem+json" in head
    assert b"connection: close" in head.lower()
    problem = json.loads(body)
    assert (problem["type"], problem["status"], problem["setting"]) == (PREFIX + type_, status, setting)
    assert f"{problem['limit']:g}" in problem["detail"]


def drip(client: socket.socket, text: bytes) -> bytes:
    """Send a text byte by byte until the server answers; return the answer."""
    client.settimeout(0.02)
    for byte in text:
        with suppress(TimeoutError):
            client.sendall(bytes([byte]))
            if first := client.recv(65536):
                client.settimeout(60)
                return first + rest(client)
    raise AssertionError("the server took all of it")


def ended(api: httpx.Client, reason: str) -> float:
    name = f'tailor_http_connections_ended_total{{reason="{reason}"}} '
    lines = [line for line in api.get("/metrics").text.splitlines() if line.startswith(name)]
    return float(lines[0].rpartition(" ")[2])


def test_a_head_that_does_not_end_is_answered_and_closed(quick: httpx.Client) -> None:
    before = ended(quick, "head")
    with connected(quick) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Unfinished: ")
        check(rest(client), 408, "request-timeout", "TAILOR_HEAD_TIMEOUT_S")
    assert ended(quick, "head") == before + 1


def test_a_head_that_drips_has_no_longer_than_one_that_stops(quick: httpx.Client) -> None:
    with connected(quick) as client:
        dripped = drip(client, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + b"X-Slow: 1\r\n" * 1000)
    check(dripped, 408, "request-timeout", "TAILOR_HEAD_TIMEOUT_S")


def test_a_connection_without_a_request_is_closed(quick: httpx.Client) -> None:
    before = ended(quick, "idle")
    with connected(quick) as client:
        assert rest(client) == b""
    assert ended(quick, "idle") >= before + 1


def test_a_body_that_stops_or_drips_is_answered_and_closed(quick: httpx.Client) -> None:
    with connected(quick) as client:
        client.sendall(HEAD + b"{")
        check(rest(client), 408, "request-timeout", "TAILOR_BODY_TIMEOUT_S")
    with connected(quick) as client:
        client.sendall(HEAD)
        check(drip(client, b"{" + b" " * 4999), 408, "request-timeout", "TAILOR_BODY_TIMEOUT_S")


def test_a_body_that_comes_slowly_but_steadily_is_taken(quick: httpx.Client) -> None:
    def pieces() -> Iterator[bytes]:
        for piece in (b'{"prompt":', b" " * 100, b" " * 100, b'"a dog", "tail_id": "x"}'):
            yield piece
            time.sleep(0.2)  # longer together than a body of no length may take

    answer = quick.post("/edit", content=pieces(), headers={"Content-Type": "application/json"})
    assert answer.status_code == 404, answer.text  # it was read: there is no such tail


def test_an_answer_that_nobody_takes_ends_the_connection(
    quick: httpx.Client, settings: Settings, services: Services
) -> None:
    storage = open_storage(settings.storage, secret=services.secret)
    storage.put("large/file", b"\0" * 50_000_000)
    url = storage.url("large/file", expires_s=600, filename="large", content_type="application/octet-stream")
    with connected(quick) as client:
        client.sendall(f"GET {url} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert client.recv(10) == b"HTTP/1.1 2"
        wait_for(lambda: ended(quick, "unread") == 1)


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_who_waits_for_an_answer_is_not_taken_for_idle(quick: httpx.Client) -> None:
    job = personalize(quick).json()
    answer = quick.get(f"/jobs/{job['id']}", headers={"Prefer": "wait=1"})
    assert (answer.status_code, answer.json()["status"]) == (200, "queued")
    with quick.stream("GET", f"/jobs/{job['id']}/events") as stream:
        lines = stream.iter_lines()
        assert next(lines)
        time.sleep(1)  # nothing happens for longer than a connection may be idle
        assert quick.delete(f"/jobs/{job['id']}").json()["status"] == "canceled"
        assert any("canceled" in line for line in lines)


def test_a_connection_is_used_again_and_again(quick: httpx.Client) -> None:
    with connected(quick) as client:
        for _ in range(3):
            client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b'{"status":"ok"}' in client.recv(65536)
        assert rest(client) == b""  # and closed when no more comes


def test_connections_over_the_limit_are_told_so_until_there_is_room(settings: Settings, services: Services) -> None:
    with api_server(settings.model_copy(update={"max_connections": 3})) as api:
        with connected(api), connected(api) as second, connected(api) as last:
            answers = [rest(last)]  # the client that `api` itself keeps is the third one
            check(answers[0], 503, "overloaded", "TAILOR_MAX_CONNECTIONS")
            assert b"Retry-After" in answers[0]
            second.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b"200 OK" in second.recv(65536)
        wait_for(lambda: api.get("/healthz").status_code == 200)
        assert ended(api, "refused") >= 1


def test_at_a_stop_each_reader_is_woken_once_however_many_connections_there_are(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    woken: list[Watch] = []

    def wake(watch: Watch) -> None:
        woken.append(watch)

    monkeypatch.setattr(Watch, "wake", wake)
    watcher = Watcher(connect_async(settings.redis_url))
    with watcher.watch("job_1") as one, watcher.watch("job_2") as other:
        for _ in range(3):  # connections
            watcher.stop()
    assert woken == [one, other]


def test_a_process_may_open_as_many_files_as_its_connections_need(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr("resource.getrlimit", lambda _: (1024, 4096))
    monkeypatch.setattr("resource.setrlimit", lambda _, limits: asked.append(limits))
    for connections in (100, 2000, 100_000):
        allow_files(connections)
    assert asked == [(2512, 4096), (4096, 4096)]
