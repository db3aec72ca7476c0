"""Who guesses an Idempotency-Key learns nothing of the job behind it; what the last version accepted is known again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import httpx
import pytest

from core.access.keyring import Keyring
from core.clock import utc_now
from core.config import Settings
from core.jobs.ids import tail_of
from core.services import Services
from tests.api.problems import check
from tests.api.serving import api_server, personalize
from tests.api.test_imports import FILE

ORDER = {"Idempotency-Key": "order-1001"}


@pytest.fixture
def owners(settings: Settings, services: Services) -> Iterator[list[httpx.Client]]:
    """Clients of two owners."""
    with api_server(settings.model_copy(update={"require_keys": "always"})) as client:
        keyring, clients = Keyring(services.storage), []
        for name in ("ida", "jack"):
            _, key = keyring.create(name, ("submit", "read"), utc_now(), owner=name)
            headers = {"Authorization": f"Bearer {key}"}
            clients.append(httpx.Client(base_url=client.base_url, headers=headers, timeout=30))
        yield clients


def test_two_owners_with_the_same_key_have_jobs_of_their_own(owners: list[httpx.Client]) -> None:
    ida, jack = owners
    hers = personalize(ida, headers=ORDER).json()["id"]
    his = personalize(jack, prompt="another dog", headers=ORDER)
    assert (his.status_code, "Idempotency-Replayed" in his.headers) == (202, False)
    assert his.json()["id"] != hers
    check(jack.delete(f"/tails/{tail_of(hers)}"), 404, "not-found")
    again = personalize(ida, headers=ORDER)
    assert (again.json()["id"], again.headers["Idempotency-Replayed"]) == (hers, "true")


def test_nobody_works_out_the_id_behind_a_key_without_the_secret(owners: list[httpx.Client]) -> None:
    job_id = personalize(owners[0], headers=ORDER).json()["id"]
    for message in ("order-1001", "ida\0order-1001", "public\0order-1001", "Idempotency-Key\0ida\0order-1001"):
        assert job_id != "job_" + hashlib.sha256(message.encode()).hexdigest()[:24]


def accepted_by_the_last_version(services: Services, api: httpx.Client, key: str) -> str:
    """Accept the usual personalization as the last version did, which made ids without the secret."""
    spec = services.jobs.spec(personalize(api, headers={"Idempotency-Key": f"{key} now"}).json()["id"])
    job_id = "job_" + hashlib.sha256(f"public\0{key}".encode()).hexdigest()[:24]
    services.jobs.accept(spec.model_copy(update={"id": job_id, "tail_id": tail_of(job_id), "picture_key": None}))
    return job_id


def test_a_repetition_of_what_the_last_version_accepted_makes_no_second_job(
    api: httpx.Client, services: Services, owners: list[httpx.Client]
) -> None:
    job_id = accepted_by_the_last_version(services, api, "order-1")
    again = personalize(api, headers={"Idempotency-Key": "order-1"})
    assert (again.json()["id"], again.headers["Idempotency-Replayed"]) == (job_id, "true")
    check(personalize(api, prompt="another", headers={"Idempotency-Key": "order-1"}), 422, "idempotency-conflict")
    stranger = personalize(owners[0], headers={"Idempotency-Key": "order-1"})
    assert (stranger.status_code, stranger.json()["id"] == job_id) == (202, False)


def test_two_owners_with_the_same_key_import_tails_of_their_own(owners: list[httpx.Client]) -> None:
    ida, jack = owners
    key = {"Idempotency-Key": "import-1001"}
    hers, his, again = (who.post("/tails", files={"file": FILE}, headers=key) for who in (ida, jack, ida))
    assert [answer.status_code for answer in (hers, his, again)] == [201, 201, 200]
    assert hers.json()["id"] == again.json()["id"] != his.json()["id"]
    other = check(jack.post("/tails", json={"file": "bm8="}, headers=key), 422, "idempotency-conflict")
    assert "id" not in other
