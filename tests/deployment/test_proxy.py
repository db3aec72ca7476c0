"""nginx as deploy/proxy/nginx.conf has it, before a real API; it runs where it is installed, with shorter time-outs."""

from __future__ import annotations

import os
import re
import resource
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from core.config import Settings
from core.limits import LimitSettings
from core.services import Services
from tests.api.serving import api_server, personalize
from tests.deployment.files import REPOSITORY, compose
from tests.support.ports import free_ports

NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
FILE = REPOSITORY / "deploy" / "proxy" / "nginx.conf"
IDLE = 1100  # more than the 1,024 files that a process may open by default
pytestmark = pytest.mark.skipif(NGINX is None, reason="no nginx (Debian: apt install nginx-light)")


@dataclass(frozen=True)
class Proxied:
    """The API as clients meet it, and as only the proxy does."""

    client: httpx.Client
    api: httpx.Client

    @contextmanager
    def connected(self) -> Iterator[socket.socket]:
        url = self.client.base_url
        with socket.create_connection((url.host, url.port), timeout=60) as connection:
            yield connection


def configuration(api: httpx.Client, port: int, folder: Path) -> str:
    """Return the configuration for this machine, with time-outs that a test can wait for."""
    text = FILE.read_text()
    places = {
        "server api:8000;": f"server {api.base_url.host}:{api.base_url.port};",
        "listen 8080;": f"listen 127.0.0.1:{port};",
        "/tmp/nginx.pid": f"{folder}/nginx.pid",
        "client_header_timeout 10s;": "client_header_timeout 1s;",
        "client_body_timeout 15s;": "client_body_timeout 1s;",
        "http {": "http {\n" + "".join(f"{name}_temp_path {folder}/{name};\n" for name in ("client_body", "proxy")),
    }
    for there, here in places.items():
        assert text.count(there) == 1, there
        text = text.replace(there, here)
    return ("user root;\n" if os.geteuid() == 0 else "") + text


@pytest.fixture(scope="module")
def proxied(settings: Settings, services: Services, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    folder, port = tmp_path_factory.mktemp("nginx"), free_ports(1)[0]
    with api_server(settings.model_copy(update={"require_keys": "never"})) as api:
        file = folder / "nginx.conf"
        file.write_text(configuration(api, port, folder))
        command = [str(NGINX), "-p", str(folder), "-c", str(file), "-e", "stderr", "-g", "daemon off;"]
        with subprocess.Popen(command) as process:
            try:
                transport = httpx.HTTPTransport(retries=10)
                with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, transport=transport) as client:
                    assert client.get("/healthz").status_code == 200
                    yield Proxied(client, api)
            finally:
                process.terminate()


def rest(connection: socket.socket) -> bytes:
    read = b""
    with suppress(ConnectionResetError):
        while piece := connection.recv(65536):
            read += piece
    return read


def connections(api: httpx.Client) -> float:
    found = re.search(r"^tailor_http_connections (\S+)", api.get("/metrics").text, re.MULTILINE)
    assert found
    return float(found[1])


def posts(api: httpx.Client) -> float:
    found = re.findall(r'^tailor_http_requests_total\{method="POST".*\} (\S+)', api.get("/metrics").text, re.MULTILINE)
    return sum(map(float, found))


def test_uploads_long_polls_and_event_streams_pass(proxied: Proxied) -> None:
    job = personalize(proxied.client).json()
    waited = proxied.client.get(f"/v1/jobs/{job['id']}", headers={"Prefer": "wait=2"})  # longer than a head may take
    assert waited.json()["status"] == "queued"
    with proxied.client.stream("GET", f"/jobs/{job['id']}/events") as stream:
        lines = stream.iter_lines()
        assert any("queued" in line for line in lines)  # it is here although the stream goes on
        proxied.client.delete(f"/jobs/{job['id']}")
        assert any("canceled" in line for line in lines)


def test_a_body_over_the_apis_limit_is_refused_by_the_api_itself(proxied: Proxied) -> None:
    answer = proxied.client.post(
        "/personalize", content=b"{" + b" " * 30_000_000, headers={"Content-Type": "application/json"}
    )
    assert (answer.status_code, answer.json()["setting"]) == (413, "TAILOR_MAX_PICTURE_BYTES")
    ours = LimitSettings.model_construct()
    assert ours.idle_timeout_s > 10  # the proxy's keepalive_timeout of upstream connections


def test_what_does_not_come_is_given_up_and_the_api_never_hears_of_it(proxied: Proxied) -> None:
    before = posts(proxied.api)
    heads = (
        b"",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Unfinished: ",
        b"POST /edit HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{",
    )
    with ExitStack() as opened:
        sockets = [opened.enter_context(proxied.connected()) for _ in heads]
        for connection, head in zip(sockets, heads, strict=True):
            connection.sendall(head)
        assert all(b" 200 " not in rest(connection) for connection in sockets)
    assert posts(proxied.api) == before


def test_a_head_that_drips_has_no_longer_than_one_that_stops(proxied: Proxied) -> None:
    with proxied.connected() as connection:
        connection.settimeout(0.05)
        with suppress(BrokenPipeError, ConnectionResetError):
            for _ in range(600):
                with suppress(TimeoutError):
                    connection.sendall(b"G")
                    if not connection.recv(1000):
                        return
            raise AssertionError("it took all of it")


def test_idle_connections_by_the_thousand_keep_nobody_out_and_do_not_reach_the_api(proxied: Proxied) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 4 * IDLE:
        pytest.skip(f"this process may open {hard} files only")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4 * IDLE), hard))
    with ExitStack() as opened:
        sockets = [opened.enter_context(proxied.connected()) for _ in range(IDLE)]
        assert personalize(proxied.client).status_code == 202
        assert connections(proxied.api) < 20
        for connection in sockets:
            assert rest(connection) == b""  # given up


def test_a_client_that_makes_up_who_it_speaks_for_is_not_believed(proxied: Proxied) -> None:
    assert proxied.client.get("/models", headers={"X-Forwarded-For": "203.0.113.1"}).status_code == 200
    for path in ("/metrics", "/v1/metrics"):
        assert proxied.client.get(path).status_code == 404
        assert proxied.api.get(path).status_code == 200


def test_the_whole_configuration_is_accepted_and_compose_uses_it() -> None:
    service = compose()["services"]["proxy"]
    assert compose()["configs"] == {"nginx": {"file": str(FILE.relative_to(REPOSITORY))}}
    assert service["ports"][0].endswith(":8080")
    assert "listen 8080;" in FILE.read_text()
