"""How many bytes one owner may have stored."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from core.access.keyring import Keyring
from core.clock import utc_now
from core.config import Settings
from core.jobs import keys
from core.jobs.lists.entries import Entry
from core.live import names
from core.live.stored import KEEP_S
from core.services import Services, open_services
from tests.api.problems import check
from tests.api.serving import PretendingWorker, api_server, edit, personalize, publish, serving_settings
from tests.support.redis_server import redis_server

LIMIT = 20_000
TAIL = b"t" * 15_000
ClientOf = Callable[[str], httpx.Client]


def client_of(services: Services, server: httpx.Client, owner: str) -> httpx.Client:
    _, key = Keyring(services.storage).create(f"key-{secrets.token_hex(4)}", ("submit", "read"), utc_now(), owner=owner)
    return httpx.Client(base_url=server.base_url, headers={"Authorization": f"Bearer {key}"}, timeout=30)


@pytest.fixture(scope="module")
def client(settings: Settings, services: Services) -> Iterator[ClientOf]:
    bounded = settings.model_copy(update={"require_keys": "always", "max_bytes_per_owner": LIMIT})
    with api_server(bounded) as server:
        yield lambda owner: client_of(services, server, owner)


def in_storage(services: Services, *job_ids: str) -> int:
    """Return the bytes of the pictures, tails and results of some jobs."""
    found = [info for job_id in job_ids for info in services.storage.list(keys.job(job_id))]
    return sum(info.size for info in found if "/input-" in info.key or "/out/" in info.key)


def learned(api: httpx.Client, worker: PretendingWorker, tail: bytes = TAIL) -> dict[str, Any]:
    job: dict[str, Any] = personalize(api).json()
    worker.succeed(worker.take(job["id"]), tail)
    return job


def test_at_the_limit_nothing_new_is_taken_but_others_and_repetitions_are(
    client: ClientOf, worker: PretendingWorker, services: Services
) -> None:
    una, key = client("una"), {"Idempotency-Key": "the first"}
    first = personalize(una, headers=key).json()
    worker.succeed(worker.take(first["id"]), b"t" * LIMIT)
    for refused in (personalize(una), edit(una, first["tail_id"])):
        problem = check(refused, 403, "storage-quota-exceeded")
        assert problem["used"] == in_storage(services, first["id"]) > LIMIT
        assert (problem["limit"], problem["setting"]) == (LIMIT, "TAILOR_MAX_BYTES_PER_OWNER")
    assert personalize(una, headers=key).json()["id"] == first["id"]
    assert personalize(client("vic")).status_code == 202


def test_pictures_tails_results_and_imports_count_and_what_is_deleted_does_not(
    client: ClientOf, worker: PretendingWorker, services: Services
) -> None:
    wim, usage = client("wim"), services.jobs.usage
    job = learned(wim, worker)
    assert usage.of("wim") == in_storage(services, job["id"])
    made = edit(wim, job["tail_id"], num_images=2).json()
    worker.succeed(worker.take(made["id"], "edit"))
    failed = personalize(wim).json()
    worker.fail(worker.take(failed["id"]), "the loss was not finite")
    everything = [job["id"], made["id"], failed["id"]]
    assert usage.of("wim") == in_storage(services, *everything) > len(TAIL)
    services.live.client.delete(names.stored_key("wim"))
    assert usage.of("wim") == in_storage(services, *everything)
    assert wim.delete(f"/tails/{job['tail_id']}").status_code == 200
    assert usage.of("wim") == in_storage(services, made["id"], failed["id"])
    services.jobs.deletion.job(failed["id"], expired=True)
    assert usage.of("wim") == in_storage(services, made["id"])
    assert wim.delete(f"/jobs/{made['id']}?purge=true").status_code == 200
    assert usage.of("wim") == 0


def test_a_job_that_ends_once_counts_once(client: ClientOf, worker: PretendingWorker, services: Services) -> None:
    job = learned(client("xan"), worker)
    spec, end = services.jobs.spec(job["id"]), services.jobs.end(job["id"])
    assert end
    before = services.jobs.usage.of("xan")
    services.jobs.close(spec, end)
    assert services.jobs.usage.of("xan") == before == in_storage(services, job["id"])


def test_a_sum_that_went_wrong_refuses_nobody(client: ClientOf, services: Services) -> None:
    yan, redis = client("yan"), services.live.client
    redis.set(names.stored_key("yan"), 10 * LIMIT, ex=KEEP_S)
    check(personalize(yan), 403, "storage-quota-exceeded")  # so fresh that it is taken for true
    redis.set(names.stored_key("yan"), 10 * LIMIT, ex=KEEP_S - 1000)
    assert personalize(yan).status_code == 202


def test_what_decoding_makes_of_pictures_is_what_counts(client: ClientOf, services: Services) -> None:
    zoe = client("zoe")
    accepted = [personalize(zoe).status_code for _ in range(2)]
    one = (services.jobs.usage.of("zoe") or 0) // len(accepted)
    services.live.client.set(names.stored_key("zoe"), LIMIT - one + 1, ex=KEEP_S)
    problem = check(personalize(zoe), 403, "storage-quota-exceeded")  # room for a byte, but not for the picture
    assert problem["used"] < LIMIT
    services.live.client.set(names.stored_key("zoe"), LIMIT - one, ex=KEEP_S)
    assert personalize(zoe).status_code == 202


def test_a_redis_that_lost_everything_or_is_away_gives_nobody_more_and_bars_nobody(tmp_path: Path) -> None:
    with redis_server() as redis:
        settings = serving_settings(tmp_path, redis.url, require_keys="always", max_bytes_per_owner=LIMIT)
        services = open_services(settings)
        publish(services)
        with api_server(settings) as server:
            ada, worker = client_of(services, server, "ada"), PretendingWorker(services)
            learned(ada, worker, b"t" * LIMIT)
            services.live.client.flushall()
            check(personalize(ada), 403, "storage-quota-exceeded")
            redis.kill()
            assert personalize(ada).status_code == 202


def test_entries_of_versions_that_counted_nothing_are_read_as_nothing() -> None:
    facts = ("accepted-123abc", "ended-succeeded")
    assert Entry("lists/a/edit/", "0", facts).bytes == 0
    counted = Entry("lists/a/edit/", "0", ("accepted-123abc-in50", "ended-succeeded-out7"))
    assert (counted.bytes, counted.status) == (57, "succeeded")
    assert counted.may_have([]) is True
