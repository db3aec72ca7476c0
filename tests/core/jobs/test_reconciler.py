from __future__ import annotations

import os
import time
from collections.abc import Iterable
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from core.clock import utc_now
from core.jobs import adoption, doubts, keys
from core.jobs.ids import new_job_id
from core.jobs.nudges import ENOUGH
from core.jobs.records import JobEnd, JobStatus
from core.live.names import EPOCH, LEASES, again, nudges_key, record_key
from core.storage.base import ObjectInfo
from tests.support.flaky_storage import FlakyStorage
from tests.support.job_life import LEASE_S, MODEL_HASH, Life
from tests.support.redis_server import redis_server


def reconcile_until_it_may_reap(life: Life) -> None:
    """Make passes for as long as a lease, and then the whole period that a job without one is given."""
    end = time.monotonic() + 2 * LEASE_S + 0.2
    while time.monotonic() < end:
        life.reconciler.run_once()


def test_a_job_whose_announcement_was_lost_is_adopted_from_storage(life: Life) -> None:
    spec = life.accept(life.personalization(), announce=False)
    assert life.live.lines.length("personalize") == 0

    life.reconciler.run_once()

    assert life.live.lines.length("personalize") == 1
    attempt = life.claims().take("personalize")
    assert attempt is not None
    assert attempt.spec == spec


def test_everything_unfinished_is_rebuilt_after_redis_lost_its_memory(life: Life) -> None:
    source = life.accept(life.personalization())
    running = life.claims().take("personalize")
    assert running is not None
    queued = life.accept(life.personalization())
    waiting = life.accept(life.edit(source))
    life.live.client.flushall()

    life.reconciler.run_once()

    assert life.status(source) is JobStatus.RUNNING
    assert life.status(queued) is JobStatus.QUEUED
    assert life.status(waiting) is JobStatus.WAITING
    assert life.live.lines.length("personalize") == 1


def test_a_rebuild_whose_leader_died_in_it_is_begun_again_by_the_next(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    life.reconciler.run_once()
    spec = life.accept(life.personalization())
    marker = keys.open_marker(spec.id, spec.created_at)
    life.live.client.flushall()

    def die(_markers: Iterable[ObjectInfo]) -> None:
        raise MemoryError

    dying, next_one = life.process().reconciler, life.process().reconciler
    next_one._adoption._all.due()  # it has listed everything within the hour, and the job is not of the last minutes
    monkeypatch.setattr(adoption, "RECENT_MINUTES", 0)
    monkeypatch.setattr(dying._adoption, "adopt", die)

    dying.run_once()
    dying.stop()
    assert life.storage.get(marker) == b""
    assert not life.live.open_jobs.are_open([spec.id])[0]
    next_one.run_once()

    assert life.live.open_jobs.are_open([spec.id])[0]
    assert life.live.client.get(EPOCH) == "filled"


def test_a_redis_that_is_emptied_while_it_is_filled_is_filled_again(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = life.accept(life.personalization())
    life.live.client.flushall()
    adopt, emptied = life.reconciler._adoption.adopt, list[bool]()

    def adopt_and_lose(markers: Iterable[ObjectInfo]) -> None:
        adopt(markers)
        if not emptied:
            emptied.append(bool(life.live.client.flushall()))

    monkeypatch.setattr(life.reconciler._adoption, "adopt", adopt_and_lose)
    life.reconciler.run_once()
    assert not life.live.open_jobs.are_open([spec.id])[0]

    life.reconciler.run_once()

    assert life.live.open_jobs.are_open([spec.id])[0]
    assert life.live.client.get(EPOCH) == "filled"


def test_many_doubts_are_swept_by_turns_and_an_unreadable_one_keeps_nobody_waiting(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doubts, "AFTER_S", 0)
    monkeypatch.setattr(doubts, "MOST_S", -1.0)  # none in a pass, but the pass comes back at once
    ended = [life.accept(life.personalization()) for _ in range(3)]
    for spec in ended:
        life.store.cancel(spec.id)
        life.storage.put(keys.DOUBTS + spec.id, b"")
    life.reconciler.run_once()
    assert len(list(life.storage.list(keys.DOUBTS))) == 3
    monkeypatch.setattr(doubts, "MOST_S", 1.0)
    life.storage.put(keys.end(ended[1].id), b"no end")

    life.reconciler.run_once()

    assert [info.key for info in life.storage.list(keys.DOUBTS)] == [keys.DOUBTS + ended[1].id]


def test_the_job_of_a_lost_worker_is_queued_again_in_half_the_company(life: Life) -> None:
    """Why it was lost may be told later; until then the job is kept from taking all of the next worker's with it."""
    spec = life.accept(life.personalization())
    assert life.claims().take("personalize") is not None

    reconcile_until_it_may_reap(life)

    assert life.status(spec) is JobStatus.QUEUED
    assert life.live.lines.length(again("personalize")) == 1


def test_nobody_is_reaped_in_the_first_lease_period_after_an_outage(life: Life) -> None:
    spec = life.accept(life.personalization())
    assert life.claims().take("personalize") is not None
    life.lose_lease(spec)
    life.live.client.zadd(LEASES, {spec.id: 0})

    life.reconciler.run_once()
    life.reconciler.run_once()

    assert life.status(spec) is JobStatus.RUNNING
    reconcile_until_it_may_reap(life)
    assert life.status(spec) is JobStatus.QUEUED


def test_a_job_that_a_worker_took_from_its_line_but_never_claimed_returns_to_it(life: Life) -> None:
    spec = life.accept(life.personalization())
    assert life.live.lines.claim("personalize", MODEL_HASH, "a worker that dies here") == (spec.id, 0)

    reconcile_until_it_may_reap(life)

    assert life.live.lines.length("personalize") == 1


def test_a_job_in_a_live_workers_hands_is_left_alone(life: Life) -> None:
    spec = life.accept(life.personalization())
    claims = life.claims()
    attempt = claims.take("personalize")
    assert attempt is not None
    end = time.monotonic() + 2 * LEASE_S + 0.2
    while time.monotonic() < end:
        assert claims.renew(attempt)
        life.reconciler.run_once()

    assert life.status(spec) is JobStatus.RUNNING


def test_an_end_that_was_committed_by_a_worker_that_then_died_is_announced(life: Life) -> None:
    spec = life.accept(life.personalization())
    attempt = life.claims().take("personalize")
    assert attempt is not None
    life.storage.create(keys.end(spec.id), life.success(attempt).model_dump_json().encode())

    reconcile_until_it_may_reap(life)

    assert life.status(spec) is JobStatus.SUCCEEDED
    assert life.live.lines.lengths() == {}
    assert life.open_jobs() == set()


def test_a_waiting_edit_is_released_although_nobody_was_there_when_its_tail_ended(life: Life) -> None:
    source = life.accept(life.personalization())
    edit = life.accept(life.edit(source))
    attempt = life.claims().take("personalize")
    assert attempt is not None
    life.storage.create(keys.end(source.id), life.success(attempt).model_dump_json().encode())

    life.reconciler.run_once()

    assert life.status(edit) is JobStatus.QUEUED


def test_a_waiting_edit_whose_tail_was_deleted_fails(life: Life) -> None:
    source = life.accept(life.personalization())
    edit = life.accept(life.edit(source))
    life.store.deletion.tail(source.tail_id)

    life.reconciler.run_once()

    assert life.status(edit) is JobStatus.FAILED


def test_a_job_past_its_deadline_fails_wherever_it_stands(life: Life) -> None:
    late = utc_now() - timedelta(seconds=1)
    source = life.accept(life.personalization())
    waiting = life.accept(life.edit(source, deadline_at=late))
    queued = life.accept(life.personalization(deadline_at=late))

    life.reconciler.run_once()

    assert life.status(waiting) is JobStatus.FAILED
    assert life.status(queued) is JobStatus.FAILED
    assert life.status(source) is JobStatus.QUEUED


def test_a_lost_nudge_is_sent_again_but_nudges_do_not_pile_up(life: Life) -> None:
    for _ in range(3):
        life.accept(life.personalization())
    life.live.client.delete(nudges_key("personalize"))

    for _ in range(5):
        life.reconciler.run_once()

    assert life.nudges.pending("personalize") == 3


def test_a_nudge_reaches_the_queue_of_its_kind_and_no_other(life: Life) -> None:
    life.nudges.send("edit")

    assert life.nudges.pending("edit") == 1
    assert life.nudges.pending("personalize") == 0


def test_the_marker_of_a_request_that_never_became_a_job_is_removed_in_the_end(life: Life) -> None:
    fresh, abandoned, now = new_job_id(), new_job_id(), utc_now()
    for job_id in (fresh, abandoned):
        life.storage.put(keys.open_marker(job_id, now), b"")
    long_ago = time.time() - 7200
    os.utime(life.folder / keys.open_marker(abandoned, now), (long_ago, long_ago))

    life.reconciler.run_once()

    assert life.open_jobs() == {fresh}


def test_the_marker_of_a_request_that_was_cut_off_and_repeated_is_removed_and_the_job_goes_on(life: Life) -> None:
    """Two requests with one Idempotency-Key, a minute apart: only the second one became the job."""
    spec, ended = life.accept(life.personalization()), life.accept(life.personalization())
    attempt = life.claims().take("personalize")
    assert attempt is not None
    life.store.finish(attempt.spec, life.success(attempt))
    for one in (spec, ended):
        life.storage.put(keys.open_marker(one.id, one.created_at - timedelta(minutes=1)), b"")
    life.live.client.flushall()

    life.reconciler.run_once()

    still_open = ended if attempt.spec == spec else spec
    markers = [info.key for info in life.storage.list(keys.OPEN_MARKERS)]
    assert markers == [keys.open_marker(still_open.id, still_open.created_at)]
    assert life.status(still_open) is JobStatus.QUEUED


def test_two_reconcilers_at_once_do_what_one_does(life: Life) -> None:
    specs = [life.accept(life.personalization(), announce=False) for _ in range(5)]
    other = life.process()

    life.reconciler.run_once()
    other.reconciler.run_once()
    life.reconciler.run_once()

    taken = [attempt.spec.id for _ in range(9) if (attempt := life.claims().take("personalize"))]
    assert sorted(taken) == sorted(spec.id for spec in specs)


def test_a_redis_that_comes_back_empty_gets_everything_back(tmp_path_factory) -> None:  # type: ignore[no-untyped-def]
    with redis_server() as endpoint:
        life = Life(tmp_path_factory.mktemp("life"), endpoint.url)
        life.reconciler.run_once()
        endpoint.kill()
        spec = life.accept(life.personalization())
        life.reconciler.run_once()
        endpoint.start()

        life.reconciler.run_once()

        assert life.live.lines.length("personalize") == 1
        assert life.status(spec) is JobStatus.QUEUED


def test_a_redis_that_would_evict_leases_is_reported(life: Life) -> None:
    life.live.client.config_set("maxmemory-policy", "allkeys-lru")
    try:
        with capture_logs() as lines:
            life.reconciler.run_once()
    finally:
        life.live.client.config_set("maxmemory-policy", "noeviction")

    assert [line["maxmemory_policy"] for line in lines if line["event"] == "redis.evicts"] == ["allkeys-lru"]


def test_an_end_that_redis_never_heard_of_is_announced_although_the_lease_is_held(life: Life) -> None:
    spec = life.accept(life.personalization())
    assert life.claims().take("personalize") is not None
    life.storage.create(
        keys.end(spec.id), JobEnd(job_id=spec.id, status="canceled", ended_at=utc_now()).model_dump_json().encode()
    )

    life.reconciler.run_once()

    assert life.live.client.hget(record_key(spec.id), "status") == "canceled"
    assert life.open_jobs() == set()


def test_a_job_that_storage_seemed_to_have_lost_comes_back(life: Life) -> None:
    spec = life.accept(life.personalization())
    away = life.with_storage(FlakyStorage(life.storage, fails=lambda *_: False))
    job_json = life.storage.get(keys.spec(spec.id))
    life.storage.delete(keys.spec(spec.id))
    away.reconciler.run_once()
    assert life.live.open_jobs.count() == 0
    away.reconciler.stop()

    life.storage.put(keys.spec(spec.id), job_json)
    life.process().reconciler.run_once()

    assert life.live.lines.length("personalize") == 1
    assert life.live.open_jobs.some(0, 10) == [spec.id]


def test_one_unreadable_record_keeps_nobody_from_being_mended(life: Life) -> None:
    bad, good = life.accept(life.personalization(), announce=False), life.accept(life.personalization(), announce=False)
    life.storage.put(keys.spec(bad.id), b"{}")

    life.process().reconciler.run_once()

    assert life.live.lines.length("personalize") == 1
    assert life.status(good) is JobStatus.QUEUED


def test_the_picture_of_a_request_that_never_became_a_job_goes_with_its_marker(life: Life) -> None:
    job_id, now = new_job_id(), utc_now()
    life.storage.put(keys.open_marker(job_id, now), b"")
    life.storage.put(keys.picture(job_id, "0" * 64), b"a picture")
    long_ago = time.time() - 7200
    os.utime(life.folder / keys.open_marker(job_id, now), (long_ago, long_ago))

    life.reconciler.run_once()

    assert list(life.storage.list(keys.job(job_id))) == []


def test_what_a_process_owes_redis_stays_owed_until_redis_has_it(tmp_path_factory) -> None:  # type: ignore[no-untyped-def]
    with redis_server() as endpoint:
        life = Life(tmp_path_factory.mktemp("life"), endpoint.url)
        spec = life.accept(life.personalization())
        endpoint.kill()
        life.store.cancel(spec.id)
        life.reconciler.run_once()
        assert life.store.owed() == [spec]
        endpoint.start()

        life.reconciler.run_once()

        assert life.store.owed() == []
        assert life.open_jobs() == set()


def test_a_debt_that_cannot_be_paid_keeps_nobody_from_being_mended(life: Life) -> None:
    blind = Life(life.folder, f"unix://{life.folder}/nobody-listens.sock")
    bad = blind.accept(life.personalization())
    life.storage.put(keys.end(bad.id), b"{}")
    late = life.accept(life.personalization(deadline_at=utc_now() - timedelta(seconds=1)))
    blind.store.live = life.live  # Redis is there again

    blind.reconciler.run_once()

    assert blind.store.owed() == []
    assert life.status(late) is JobStatus.FAILED


def test_nudges_that_nobody_takes_are_bounded_however_many_jobs_are_accepted(life: Life) -> None:
    for _ in range(ENOUGH + 10):
        life.accept(life.personalization())

    assert life.nudges.pending("personalize") == ENOUGH
    assert life.live.lines.length("personalize") == ENOUGH + 10
