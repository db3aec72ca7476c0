"""How often one owner, or one address, may ask."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from pydantic import ValidationError

from api.access.rates import stranger
from core.access.keyring import Keyring
from core.access.keys import new_key
from core.clock import utc_now
from core.config import Settings
from core.limits import Rate
from core.live.names import rate_key
from core.services import Services, open_services
from tests.api.problems import check
from tests.api.serving import api_server, personalize, publish, serving_settings
from tests.support.redis_server import redis_server

FEW = {"require_keys": "always", "rate_submissions": Rate(2, 3600), "rate_requests": Rate(5, 3600)}
ClientOf = Callable[[str], httpx.Client]


def client_of(services: Services, server: httpx.Client, owner: str) -> httpx.Client:
    """Return a client with a new key of an owner."""
    _, key = Keyring(services.storage).create(f"key-{secrets.token_hex(4)}", ("submit", "read"), utc_now(), owner=owner)
    return httpx.Client(base_url=server.base_url, headers={"Authorization": f"Bearer {key}"}, timeout=30)


@pytest.fixture(scope="module")
def servers(settings: Settings, services: Services) -> Iterator[tuple[ClientOf, ClientOf]]:
    """Two servers on the same Redis; each makes clients of an owner."""
    few = settings.model_copy(update=FEW)
    with api_server(few) as one, api_server(few) as other:
        yield lambda owner: client_of(services, one, owner), lambda owner: client_of(services, other, owner)


def metric(api: httpx.Client, name: str) -> float:
    lines = [line for line in api.get("/metrics").text.splitlines() if line.startswith(name) and "_created" not in line]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


def test_all_servers_count_an_owners_submissions_together_and_no_other_owners(
    servers: tuple[ClientOf, ClientOf],
) -> None:
    here, there = servers[0]("ann"), servers[1]("ann")  # two keys of one owner
    first = personalize(here)
    assert first.headers["RateLimit-Policy"] == '"submissions";q=2;w=3600'
    assert re.fullmatch(r'"submissions";r=1;t=1[78]\d\d', first.headers["RateLimit"])
    assert personalize(there).headers["RateLimit"].startswith('"submissions";r=0;t=3')
    for client in (here, there):
        refused = personalize(client)
        problem = check(refused, 429, "rate-limited")
        assert (problem["limit"], problem["window_s"], problem["policy"]) == (2, 3600, "submissions")
        assert problem["setting"] == "TAILOR_RATE_SUBMISSIONS"
        assert 1700 < int(refused.headers["Retry-After"]) <= 1800
        assert refused.headers["RateLimit"].startswith('"submissions";r=0;t=3')
    assert here.get("/models").status_code == 200  # what only looks is counted by itself
    assert personalize(servers[0]("ben")).status_code == 202
    assert metric(here, 'tailor_rate_limited_total{policy="submissions"}') == 1


def test_what_was_used_comes_back_evenly(servers: tuple[ClientOf, ClientOf], services: Services) -> None:
    cat, key = servers[0]("cat"), rate_key("submissions", "owner:cat")
    assert [personalize(cat).status_code for _ in range(3)] == [202, 202, 429]
    redis = services.live.client
    redis.set(key, float(str(redis.get(key))) - 1_800_000)  # half an hour later
    assert [personalize(cat).status_code for _ in range(2)] == [202, 429]


def test_a_clock_that_was_set_back_bars_nobody_for_longer_than_a_window(
    servers: tuple[ClientOf, ClientOf], services: Services
) -> None:
    dan, key = servers[0]("dan"), rate_key("submissions", "owner:dan")
    services.live.client.set(key, services.live.time_s() * 1000 + 10 * 3_600_000)
    refused = personalize(dan)
    check(refused, 429, "rate-limited")
    assert int(refused.headers["Retry-After"]) <= 1800


def test_who_may_not_do_it_at_all_is_not_counted(servers: tuple[ClientOf, ClientOf], services: Services) -> None:
    reader = servers[0]("eve")
    assert httpx.get(f"{reader.base_url}/models").status_code == 401
    assert [reader.get("/models").status_code for _ in range(6)] == [200] * 5 + [429]
    assert services.live.client.exists(rate_key("submissions", "owner:eve")) == 0


def test_a_refused_body_is_not_read(servers: tuple[ClientOf, ClientOf]) -> None:
    fay = servers[0]("fay")
    assert [personalize(fay).status_code for _ in range(2)] == [202, 202]
    broken = fay.post("/personalize", content=b"not a form", headers={"Content-Type": "multipart/form-data"})
    check(broken, 429, "rate-limited")


def test_on_loopback_without_keys_nobody_is_counted(settings: Settings, services: Services) -> None:
    with api_server(settings.model_copy(update=FEW | {"require_keys": "auto"})) as api:
        answers = [api.get("/models") for _ in range(8)]
        assert {answer.status_code for answer in answers} == {200}
        assert not any("RateLimit" in answer.headers for answer in answers)


def test_without_keys_each_address_is_counted_and_a_network_of_ipv6_is_one(
    settings: Settings, services: Services
) -> None:
    def asked(api: httpx.Client, address: str) -> list[int]:
        return [api.get("/models", headers={"X-Forwarded-For": address}).status_code for _ in range(3)]

    few = {"require_keys": "never", "rate_requests": Rate(4, 3600)}
    with api_server(settings.model_copy(update=few)) as api:  # uvicorn believes proxies on this machine
        assert asked(api, "203.0.113.1") == [200, 200, 200]
        assert asked(api, "203.0.113.1") == [200, 429, 429]
        assert asked(api, "203.0.113.2") == [200, 200, 200]
        assert asked(api, "2001:db8::1") == [200, 200, 200]
        assert asked(api, "2001:db8::2") == [200, 429, 429]
        assert asked(api, "2001:db8:0:1::1") == [200, 200, 200]


def test_while_redis_is_away_nobody_is_refused_and_a_metric_says_so(tmp_path: Path) -> None:
    with redis_server() as redis:
        settings = serving_settings(tmp_path, redis.url, **FEW)
        services = open_services(settings)
        publish(services)
        with api_server(settings) as api:
            gus = client_of(services, api, "gus")
            assert [gus.get("/models").status_code for _ in range(6)] == [200] * 5 + [429]
            redis.kill()
            answers = [gus.get("/models") for _ in range(8)]
            assert {answer.status_code for answer in answers} == {200}
            assert not any("RateLimit" in answer.headers for answer in answers)
            assert metric(api, "tailor_rate_unchecked_total") == 8


def test_a_rate_is_a_number_of_requests_in_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAILOR_RATE_SUBMISSIONS", "7/30")
    assert serving_settings(tmp_path, "redis://x").rate_submissions == Rate(7, 30)
    for text, rate in {"120/60": Rate(120, 60), " 5 / 1 ": Rate(5, 1), "": None}.items():
        assert serving_settings(tmp_path, "redis://x", rate_requests=text).rate_requests == rate
    for text in ("120", "0/60", "60/0", "many/60", "-1/60"):
        with pytest.raises(ValidationError, match="120/60 is 120 requests in 60 seconds"):
            serving_settings(tmp_path, "redis://x", rate_requests=text)


def test_who_guesses_at_keys_is_one_who_asks_too_often(servers: tuple[ClientOf, ClientOf]) -> None:
    dan = servers[0]("dan")
    assert dan.get("/models").status_code == 200
    through = {"X-Forwarded-For": "203.0.113.7"}  # what comes over loopback itself is not counted
    guesses = [
        httpx.get(f"{dan.base_url}/models", headers=through | {"Authorization": f"Bearer {new_key()[0]}"})
        for _ in range(8)
    ]
    assert [answer.status_code for answer in guesses] == [401] * 5 + [429] * 3
    assert dan.get("/models", headers=through).status_code == 200


def test_an_address_of_ipv4_is_one_in_whatever_form_a_socket_writes_it() -> None:
    def who(address: str) -> str | None:
        return stranger({"type": "http", "client": (address, 1), "headers": []})

    assert who("::ffff:203.0.113.7") == who("203.0.113.7") == "address:203.0.113.7"
    assert who("::ffff:203.0.113.8") != who("203.0.113.7")
    assert who("2001:db8::1") == who("2001:db8::2") != who("2001:db8:0:1::1")
    assert who("::ffff:127.0.0.1") is who("127.0.0.1") is who("::1") is None
