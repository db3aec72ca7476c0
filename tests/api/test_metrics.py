"""What Prometheus is told of the fleet, from a real Redis."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from api.metrics import FleetCollector, worker_gauges
from core.access.keyring import Keyring
from core.clock import utc_now
from core.live import names
from core.live.connection import connect
from core.live.store import LiveStore
from core.services import Services
from tests.api.serving import PretendingWorker, edit, personalize
from tests.support.redis_server import redis_server


@pytest.fixture
def live() -> Iterator[LiveStore]:
    with redis_server() as redis:
        yield LiveStore(connect(redis.url))


def value(live: LiveStore, name: str) -> float:
    (sample,) = (
        sample for metric in FleetCollector(live).collect() for sample in metric.samples if sample.name == name
    )
    return float(sample.value)


def test_without_open_jobs_the_oldest_has_no_age(live: LiveStore) -> None:
    assert value(live, "tailor_oldest_job_seconds") == 0


def test_the_oldest_open_job_counts_whoever_asks(live: LiveStore) -> None:
    seconds, _ = live.client.time()
    live.client.zadd(names.OPEN_JOBS, {"job_new": seconds - 5, "job_old": seconds - 1000})
    assert value(live, "tailor_oldest_job_seconds") >= 1000


def test_a_clock_that_ran_ahead_makes_no_negative_age(live: LiveStore) -> None:
    seconds, _ = live.client.time()
    live.client.zadd(names.OPEN_JOBS, {"job": seconds + 1000})
    assert value(live, "tailor_oldest_job_seconds") == 0


def told(api: httpx.Client, series: str) -> float:
    """Return one series of /metrics, with its labels as they stand there."""
    lines = [line for line in api.get("/metrics").text.splitlines() if line.startswith(f"{series} ")]
    assert len(lines) == 1, series
    return float(lines[0].rpartition(" ")[2])


def test_jobs_are_told_by_state_and_by_how_they_ended(api: httpx.Client, worker: PretendingWorker) -> None:
    def ended(kind: str, status: str) -> float:
        return told(api, f'tailor_jobs_ended_total{{kind="{kind}",status="{status}"}}')

    before = [ended(*one) for one in (("personalize", "succeeded"), ("personalize", "failed"), ("edit", "canceled"))]
    job = personalize(api).json()
    attempt = worker.take(job["id"])
    waiting = edit(api, job["tail_id"]).json()
    assert told(api, 'tailor_jobs_open{status="running"}') >= 1
    assert told(api, 'tailor_jobs_open{status="waiting"}') >= 1
    worker.succeed(attempt)
    assert told(api, 'tailor_jobs_open{status="queued"}') >= 1
    api.delete(f"/jobs/{waiting['id']}")
    worker.fail(worker.take(personalize(api).json()["id"]), "the loss was not finite")
    after = [ended(*one) for one in (("personalize", "succeeded"), ("personalize", "failed"), ("edit", "canceled"))]
    assert after[0] == before[0] + 1
    assert after[1] == before[1] + 1
    assert after[2] >= before[2] + 1


def test_the_next_in_line_has_an_age_and_a_lost_lease_is_counted(
    api: httpx.Client, worker: PretendingWorker, services: Services
) -> None:
    worker.take(personalize(api).json()["id"])  # the line is empty now
    assert told(api, 'tailor_queue_age_seconds{line="personalize"}') == 0
    job = personalize(api).json()
    services.live.client.zadd(names.OPEN_JOBS, {job["id"]: services.live.time_s() - 500})
    assert 500 <= told(api, 'tailor_queue_age_seconds{line="personalize"}') < 600
    attempt = worker.take(job["id"])
    before = told(api, "tailor_leases_lost_total")
    services.reconciler.reap(attempt.spec, token=attempt.token)
    assert told(api, "tailor_leases_lost_total") == before + 1


def test_storage_is_timed_by_operation(api: httpx.Client) -> None:
    before = told(api, 'tailor_storage_seconds_count{operation="put"}')
    personalize(api)
    assert told(api, 'tailor_storage_seconds_count{operation="put"}') > before
    assert told(api, 'tailor_storage_failed_total{operation="put"}') == 0


def test_workers_caches_and_storage_are_added_up() -> None:
    cache, put = {"hits": 3, "misses": 1}, {"put": {"requests": 2, "failed": 0, "seconds": 0.5}}
    workers = [
        {"prompt_cache": cache, "model_cache": cache, "storage": put},
        {"prompt_cache": cache, "storage": put},
        {},
    ]
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for metric in worker_gauges(workers)
        for sample in metric.samples
    }
    assert samples["tailor_cache_lookups_total", "prompt", "hit"] == 6
    assert samples["tailor_cache_lookups_total", "model", "miss"] == 1
    assert samples["tailor_worker_storage_requests_total", "put"] == 4
    assert samples["tailor_worker_storage_seconds_total", "put"] == 1.0


def test_a_job_remembers_the_request_and_the_key_that_it_came_with(api: httpx.Client, services: Services) -> None:
    record, key = Keyring(services.storage).create("traced", ("submit",), utc_now())
    headers = {"Authorization": f"Bearer {key}", "X-Request-Id": "from-the-client"}
    fields = {"prompt": "a standing dog", "edits": '[{"prompt": "a sitting dog"}]'}
    spec = services.jobs.spec(personalize(api, headers=headers, **fields).json()["id"])
    for one in (spec, *spec.edits):
        assert one.origin == {"request_id": "from-the-client", "key": record.id}
    assert services.jobs.spec(personalize(api).json()["id"]).origin.keys() == {"request_id"}
