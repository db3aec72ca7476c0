from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from api.access.doorkeeper import FORGET_S
from core.access.keyring import Keyring
from core.access.keys import Scope
from core.clock import utc_now
from core.config import Settings
from core.services import Services
from tests.api.problems import check
from tests.api.serving import PretendingWorker, api_server, edit, personalize
from tests.support.ports import free_ports

BOTH: tuple[Scope, ...] = ("submit", "read")


def wait_for(condition: Callable[[], bool], timeout_s: float) -> None:
    until = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.1)


@dataclass
class Guarded:
    """A server that wants a key of everybody, and the keys."""

    url: str
    keyring: Keyring

    def client(self, *scopes: Scope, owner: str | None = None) -> httpx.Client:
        """Return a client with a key of an owner of its own, or of this one."""
        _, key = self.keyring.create(f"key-{secrets.token_hex(4)}", scopes or BOTH, utc_now(), owner=owner)
        return self.with_header(f"Bearer {key}")

    def with_header(self, authorization: str) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=30, headers={"Authorization": authorization})


@pytest.fixture(scope="module")
def guarded(settings: Settings, services: Services) -> Iterator[Guarded]:
    with api_server(settings.model_copy(update={"require_keys": "always"})) as client:
        yield Guarded(str(client.base_url), Keyring(services.storage))


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/personalize"), ("GET", "/models"), ("GET", "/jobs/x"), ("DELETE", "/tails/x")]
)
def test_without_a_key_nothing_is_told_and_the_answer_says_how_to_bring_one(
    guarded: Guarded, method: str, path: str
) -> None:
    answer = httpx.request(method, guarded.url + path)
    check(answer, 401, "unauthorized")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="tailor"'


def test_who_has_no_key_is_answered_before_a_body_is_read(guarded: Guarded) -> None:
    host = urlsplit(guarded.url)
    with socket.create_connection((host.hostname, host.port), timeout=30) as sending:
        sending.sendall(
            b"POST /edit HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"
        )
        assert sending.recv(100).startswith(b"HTTP/1.1 401")


def wrong_keys(key: str) -> list[str]:
    other = "0" if key[-1] != "0" else "1"
    return [key[:-1] + other, key[:-1], key + "0", "tailor_", "x", key.upper(), f"tailor_{'0' * 12}_{'0' * 64}"]


def test_a_wrong_key_opens_nothing_and_its_answer_does_not_tell_what_is_wrong(guarded: Guarded) -> None:
    good = guarded.client().headers["Authorization"].removeprefix("Bearer ")
    answers = [guarded.with_header(f"Bearer {key}").get("/models") for key in wrong_keys(good)]
    assert {check(answer, 401, "unauthorized")["detail"] for answer in answers} == {"there is no such API key"}
    assert {answer.headers["WWW-Authenticate"] for answer in answers} == {
        'Bearer realm="tailor", error="invalid_token"'
    }


@pytest.mark.parametrize("where", ["?key={key}", "?api_key={key}", "?access_token={key}"])
def test_a_key_is_taken_from_its_header_only(guarded: Guarded, where: str) -> None:
    key = guarded.client().headers["Authorization"].removeprefix("Bearer ")
    assert httpx.get(guarded.url + "/models" + where.format(key=key)).status_code == 401
    assert guarded.with_header(f"Basic {key}").get("/models").status_code == 401


def test_an_owner_sees_what_all_keys_of_the_owner_made_and_nothing_else(
    guarded: Guarded, worker: PretendingWorker
) -> None:
    alice, again, bob = guarded.client(owner="alice"), guarded.client(owner="alice"), guarded.client()
    job = personalize(alice).json()
    worker.succeed(worker.take(job["id"]))
    assert again.get(f"/jobs/{job['id']}").json()["status"] == "succeeded"
    assert edit(again, job["tail_id"]).status_code == 202
    for path in (f"/jobs/{job['id']}", f"/jobs/{job['id']}/events", f"/tails/{job['tail_id']}"):
        check(bob.get(path), 404, "not-found")
    check(edit(bob, job["tail_id"]), 404, "not-found", "tail_id")
    check(bob.delete(f"/tails/{job['tail_id']}"), 404, "not-found")
    assert alice.get(f"/tails/{job['tail_id']}").status_code == 200


def test_a_result_is_fetched_with_its_signed_url_and_without_a_key(guarded: Guarded, worker: PretendingWorker) -> None:
    alice = guarded.client()
    job = personalize(alice).json()
    worker.succeed(worker.take(job["id"]), b"the tail")
    url = alice.get(f"/tails/{job['tail_id']}").json()["url"]
    assert "tailor_" not in url
    assert httpx.get(url).content == b"the tail"
    another = job["id"][:-1] + ("1" if job["id"].endswith("0") else "0")
    assert httpx.get(url.replace(job["id"], another)).status_code == 403


@pytest.mark.parametrize(
    ("scopes", "refused"),
    [
        (("read",), {"submit"}),
        (("submit",), {"read"}),
        (("admin",), set()),
        (("submit", "read"), set()),
    ],
)
def test_a_key_is_good_for_its_scopes_only(guarded: Guarded, scopes: tuple[Scope, ...], refused: set[str]) -> None:
    client = guarded.client(*scopes)
    needed = {"read": client.get("/models"), "submit": client.delete(f"/jobs/job_{'0' * 24}")}
    for scope, answer in needed.items():
        if scope in refused:
            document = check(answer, 403, "missing-scope")
            assert document["scope"] == scope
            assert repr(scope) in document["detail"]
        else:
            assert answer.status_code in (200, 404)


def test_a_revoked_key_opens_nothing_within_seconds_in_a_server_that_has_just_used_it(guarded: Guarded) -> None:
    record, key = guarded.keyring.create("to-be-revoked", BOTH, utc_now())
    client = guarded.with_header(f"Bearer {key}")
    assert client.get("/models").status_code == 200
    guarded.keyring.revoke("to-be-revoked", utc_now())
    wait_for(lambda: client.get("/models").status_code == 401, timeout_s=FORGET_S + 15)
    assert check(client.get("/models"), 401, "unauthorized")["detail"] == f"the API key {record.id} was revoked"


def test_what_is_stored_of_a_key_is_not_enough_to_use_it(guarded: Guarded, services: Services) -> None:
    _, key = guarded.keyring.create("kept", BOTH, utc_now())
    assert guarded.with_header(f"Bearer {key}").get("/models").status_code == 200
    stored = b"\n".join(services.storage.get(info.key) for info in services.storage.list(""))
    assert key.encode() not in stored
    assert key.rpartition("_")[2].encode() not in stored


def test_on_loopback_no_key_is_needed_but_by_whom_a_proxy_speaks_for(api: httpx.Client) -> None:
    assert api.get("/models").status_code == 200
    for header in ("X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"):
        assert (header, api.get("/models", headers={header: "for=203.0.113.9"}).status_code) == (header, 401)
    assert api.get("/models", headers={"Authorization": "Bearer a token of the proxy's"}).status_code == 200


def test_a_key_that_is_sent_without_need_says_whose_the_job_is(api: httpx.Client, services: Services) -> None:
    _, key = Keyring(services.storage).create("carol", BOTH, utc_now())
    job = personalize(api, headers={"Authorization": f"Bearer {key}"}).json()
    assert services.jobs.spec(job["id"]).owner == "carol"
    assert api.get(f"/jobs/{job['id']}").status_code == 404


@pytest.fixture
def port() -> int:
    return free_ports(1)[0]


@pytest.fixture
def logging_server(settings: Settings, tmp_path: Path, port: int) -> Iterator[Callable[[], str]]:
    """A server in a process of its own that logs every request twice; gives what it has written."""
    log = tmp_path / "api.log"
    env = os.environ | {
        "TAILOR_STORAGE": settings.storage,
        "TAILOR_REDIS_URL": settings.redis_url,
        "TAILOR_REQUIRE_KEYS": "always",
    }
    command = [sys.executable, "-m", "uvicorn", "api.app:app", "--port", str(port), "--log-level", "debug"]
    with log.open("w") as file, subprocess.Popen(command, env=env, stdout=file, stderr=file) as process:
        try:
            yield log.read_text
        finally:
            process.terminate()


def test_no_key_is_written_to_a_log_even_if_it_is_sent_where_it_does_not_belong(
    logging_server: Callable[[], str], services: Services, port: int
) -> None:
    record, key = Keyring(services.storage).create(f"logged-{port}", BOTH, utc_now())
    url = f"http://127.0.0.1:{port}"
    wait_for(lambda: f"127.0.0.1:{port}" in logging_server(), timeout_s=60)
    with httpx.Client(base_url=url, transport=httpx.HTTPTransport(retries=10), timeout=30) as client:
        header = {"Authorization": f"Bearer {key}"}
        assert client.get("/models", headers=header).status_code == 200
        assert client.get(f"/jobs/{key}", headers=header).status_code == 404
        assert client.get(f"/models?api_key={key}").status_code == 401
        assert client.get("/models", headers={"Authorization": f"Bearer {key}0"}).status_code == 401
    wait_for(lambda: logging_server().count("http.request") >= 4, timeout_s=30)
    assert key not in logging_server()
    assert key.rpartition("_")[2] not in logging_server()
    assert f'"key": "{record.id}"' in logging_server()
