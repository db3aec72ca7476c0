"""Which hosts get into links, and what pages of other sites may do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from pydantic import ValidationError

from core.access.keyring import Keyring
from core.clock import utc_now
from core.config import Settings
from core.services import Services
from tests.api.problems import check
from tests.api.serving import PretendingWorker, api_server, personalize, picture

APP = "https://app.example.com"


@pytest.fixture
def ready(api: httpx.Client, worker: PretendingWorker) -> str:
    """A tail of the default owner that is ready."""
    job = personalize(api).json()
    worker.succeed(worker.take(job["id"]))
    return str(job["tail_id"])


@pytest.fixture(scope="module")
def named(settings: Settings, services: Services) -> Iterator[httpx.Client]:
    """A server that knows some hosts and one page's origin, and wants keys; with a key of the default owner."""
    known = {"trusted_hosts": "tailor.example.com, *.example.org", "cors_origins": APP, "require_keys": "always"}
    _, key = Keyring(services.storage).create("origins", ("submit", "read"), utc_now(), owner="public")
    with api_server(settings.model_copy(update=known)) as client:
        client.headers["Authorization"] = f"Bearer {key}"
        yield client


@pytest.mark.parametrize("host", ["tailor.example.com", "TAILOR.example.com:8443", "a.example.org", "localhost:1234"])
def test_a_known_host_is_in_the_links(named: httpx.Client, ready: str, host: str) -> None:
    url = named.get(f"/v1/tails/{ready}", headers={"Host": host}).json()["url"]
    assert url.startswith(f"http://{host}/v1/files/")


@pytest.mark.parametrize(
    "host", ["evil.example", "example.org", "tailor.example.com.evil.example", "a.example.org@evil", "x y", "[::1"]
)
def test_a_forged_host_is_in_no_link(named: httpx.Client, ready: str, host: str) -> None:
    for path in (f"/tails/{ready}", f"/jobs/{ready.replace('tail_', 'job_')}", f"/tails/{ready}/file"):
        answer = named.get(path, headers={"Host": host})
        assert answer.status_code in (200, 307)
        assert host not in answer.text + answer.headers.get("Location", "")
    own = named.get(f"/tails/{ready}", headers={"Host": host}).json()["url"]
    assert urlsplit(own).netloc == urlsplit(str(named.base_url)).netloc


def test_the_public_url_is_in_the_links_whatever_the_host(settings: Settings, ready: str) -> None:
    public = {"public_url": "https://tailor.example.com/api/", "require_keys": "never"}
    with api_server(settings.model_copy(update=public)) as client:
        for host in ("evil.example", "localhost"):
            url = client.get(f"/tails/{ready}", headers={"Host": host}).json()["url"]
            assert url.startswith("https://tailor.example.com/api/files/")


def test_a_page_can_not_make_a_name_of_its_own_point_to_an_unguarded_server(api: httpx.Client) -> None:
    check(api.get("/models", headers={"Host": "rebound.evil.example"}), 421, "unknown-host")


def post(client: httpx.Client, **headers: str) -> httpx.Response:
    """Send what a form can: a multipart POST, with the headers that the browser adds."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post("/personalize", data={"prompt": "a dog"}, files={"picture": picture()}, headers=named)


@pytest.mark.parametrize(
    "sent",
    [
        {"Origin": "https://evil.example", "Sec_Fetch_Site": "cross-site"},
        {"Origin": "null", "Sec_Fetch_Site": "cross-site"},
        {"Origin": "http://localhost:3000", "Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ],
)
def test_a_form_of_another_site_makes_nothing(api: httpx.Client, services: Services, sent: dict[str, str]) -> None:
    before = {info.key for info in services.storage.list("jobs/")}
    check(post(api, **sent), 403, "cross-site")
    check(api.delete(f"/tails/tail_{'0' * 24}", headers={"Origin": "https://evil.example"}), 403, "cross-site")
    assert {info.key for info in services.storage.list("jobs/")} == before


def test_the_own_pages_and_programs_may_send(api: httpx.Client) -> None:
    own = f"http://{urlsplit(str(api.base_url)).netloc}"
    assert post(api).status_code == 202
    assert post(api, Sec_Fetch_Site="none").status_code == 202
    assert post(api, Origin=own, Sec_Fetch_Site="same-origin").status_code == 202
    assert post(api, Origin=own).status_code == 202


def preflight(client: httpx.Client, origin: str) -> httpx.Response:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization, prefer"}
    return client.options("/v1/edit", headers={"Origin": origin} | asked)


def test_a_page_that_is_named_may_use_all_of_it_and_sees_the_headers_that_it_needs(named: httpx.Client) -> None:
    asked = preflight(named, APP)
    assert (asked.status_code, asked.headers["Access-Control-Allow-Origin"]) == (200, APP)
    assert "Access-Control-Allow-Credentials" not in asked.headers
    answer = post(named, Origin=APP, Sec_Fetch_Site="cross-site")
    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (202, APP)
    exposed = {name.strip() for name in answer.headers["Access-Control-Expose-Headers"].split(",")}
    assert {"Location", "Retry-After", "X-Request-Id", "RateLimit", "Idempotency-Replayed"} <= exposed
    refused = httpx.get(str(named.base_url).rstrip("/") + "/models", headers={"Origin": APP})
    assert (refused.status_code, refused.headers["Access-Control-Allow-Origin"]) == (401, APP)


def test_a_page_that_is_not_named_is_told_nothing(named: httpx.Client) -> None:
    asked = preflight(named, "https://evil.example")
    assert (asked.status_code, "Access-Control-Allow-Origin" in asked.headers) == (400, False)
    answer = named.get("/models", headers={"Origin": "https://evil.example"})
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_options_of_a_program_still_tells_the_methods(named: httpx.Client) -> None:
    assert named.options("/models").headers["Allow"] == "GET, OPTIONS"


@pytest.mark.parametrize("wrong", [{"cors_origins": "app.example.com"}, {"cors_origins": "https://a.example/"}])
def test_what_is_no_origin_is_refused_at_the_start(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="cors_origins"):
        Settings(_env_file=None, **wrong)


def test_every_page_is_let_in_only_where_everybody_needs_a_key() -> None:
    with pytest.raises(ValidationError, match="require_keys"):
        Settings(_env_file=None, cors_origins="*")
    assert Settings(_env_file=None, cors_origins="*", require_keys="always").cors_origins_list == ["*"]
