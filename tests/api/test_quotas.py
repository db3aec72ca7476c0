"""How many jobs one owner may have that have not ended."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator

import httpx
import pytest

from core.access.keyring import Keyring
from core.clock import utc_now
from core.config import Settings
from core.live import names
from core.services import Services
from tests.api.problems import check
from tests.api.serving import PretendingWorker, api_server, edit, personalize, picture

LIMIT = 3


@pytest.fixture(scope="module")
def client_of(settings: Settings, services: Services) -> Iterator[Callable[[str], httpx.Client]]:
    """Make clients of owners that a server bounds."""
    bounded = settings.model_copy(update={"require_keys": "always", "max_open_per_owner": LIMIT})
    with api_server(bounded) as server:

        def client(name: str) -> httpx.Client:
            _, key = Keyring(services.storage).create(name, ("submit", "read"), utc_now(), owner=name)
            return httpx.Client(base_url=server.base_url, headers={"Authorization": f"Bearer {key}"}, timeout=30)

        yield client


def test_one_owner_at_the_limit_hinders_no_other(client_of: Callable[[str], httpx.Client]) -> None:
    kim, lee = client_of("kim"), client_of("lee")
    key = {"Idempotency-Key": "the first"}
    first = personalize(kim, headers=key).json()
    for _ in range(LIMIT - 1):  # edits that wait for their tail count, too
        assert edit(kim, first["tail_id"]).status_code == 202
    for refused in (personalize(kim), edit(kim, first["tail_id"])):
        problem = check(refused, 429, "quota-exceeded")
        assert (problem["limit"], problem["under_way"], refused.headers["Retry-After"]) == (LIMIT, LIMIT, "30")
    assert personalize(kim, headers=key).json()["id"] == first["id"]
    assert personalize(lee).status_code == 202


def test_every_end_makes_room(client_of: Callable[[str], httpx.Client], worker: PretendingWorker) -> None:
    mia = client_of("mia")
    succeeded, failed, canceled = (personalize(mia).json()["id"] for _ in range(LIMIT))
    attempt = worker.take(succeeded)
    check(personalize(mia), 429, "quota-exceeded")  # one that runs has not ended
    worker.succeed(attempt)
    worker.fail(worker.take(failed), "the loss was not finite")
    assert mia.delete(f"/jobs/{canceled}").is_success
    assert [personalize(mia).status_code for _ in range(LIMIT + 1)] == [202] * LIMIT + [429]


def test_the_edits_of_one_call_count_with_it_all_or_none(client_of: Callable[[str], httpx.Client]) -> None:
    noa = client_of("noa")
    uri = "data:image/png;base64," + base64.b64encode(picture()).decode()

    def send(edits: int) -> httpx.Response:
        sent = [{"prompt": "a sitting dog"}] * edits
        return noa.post("/personalize", json={"prompt": "a dog", "picture": uri, "edits": sent})

    assert check(send(LIMIT), 429, "quota-exceeded")["under_way"] == 0
    assert send(LIMIT - 1).status_code == 202
    check(send(0), 429, "quota-exceeded")


def test_what_nobody_ended_counts_until_its_deadline_only(
    client_of: Callable[[str], httpx.Client], services: Services
) -> None:
    ole = client_of("ole")
    services.live.client.zadd(names.open_key("ole"), {f"job_{number}": 1000 for number in range(LIMIT)})
    assert personalize(ole).status_code == 202
    assert services.jobs.open_of("ole") == 1


def test_a_job_that_redis_forgets_counts_no_longer(
    client_of: Callable[[str], httpx.Client], services: Services
) -> None:
    job = personalize(client_of("pam")).json()["id"]
    assert services.jobs.open_of("pam") == 1
    services.jobs.forget(job)
    assert services.jobs.open_of("pam") == 0
