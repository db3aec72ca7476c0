"""All that Tailor keeps in Redis lies in one slot, so that a node of a cluster takes its scripts and its nudges."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from kombu import Connection

from core.jobs.nudges import broker_url
from core.jobs.records import JobStatus
from core.live.names import NUDGES
from tests.support.job_life import LONG_LEASE_S, Life
from tests.support.redis_server import redis_server


@pytest.fixture
def life(tmp_path: Path) -> Iterator[Life]:
    with redis_server(cluster=True) as endpoint:
        yield Life(tmp_path / "storage", endpoint.url, lease_s=LONG_LEASE_S)


def test_a_jobs_whole_life_on_a_node_of_a_cluster(life: Life) -> None:
    source = life.accept(life.personalization())
    edit = life.accept(life.edit(source))
    lost = life.accept(life.personalization(owner="alice"), announce=False)
    claims = life.claims()

    attempt = claims.take("personalize")
    assert attempt is not None
    assert claims.renew(attempt)
    life.live.records.progress(source.id, attempt.number, {"step": 1, "steps": 2})
    life.live.workers.beat("w1", {"models": {}}, LONG_LEASE_S)
    life.reconciler.run_once()
    claims.hand_back(attempt)
    again = claims.take("personalize")
    assert again is not None
    life.store.finish(source, life.success(again))

    assert [life.status(spec) for spec in (source, edit, lost)] == [
        JobStatus.SUCCEEDED,
        JobStatus.QUEUED,
        JobStatus.QUEUED,
    ]
    life.store.cancel(edit.id)
    life.store.forget(lost.id)
    assert life.live.workers.alive() != []
    assert life.live.lines.lengths() == {}
    assert {key.partition("}")[0] for key in life.live.client.keys("*")} == {"{tailor"}


def test_a_nudge_arrives_through_a_node_of_a_cluster(life: Life) -> None:
    assert life.nudges.send("edit")

    options = {"global_keyprefix": NUDGES}
    with Connection(broker_url(life.redis_url), transport_options=options) as connection:
        queue = connection.SimpleQueue("edit")
        queue.get(timeout=10).ack()
        queue.close()
    assert life.nudges.pending("edit") == 0
