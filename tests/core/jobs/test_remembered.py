"""What is remembered so that storage is not asked again: ready tails, specs of what is soon claimed, deletions."""

from __future__ import annotations

import pytest
import redis

from core.errors import GoneError
from core.jobs import doubts, keys
from core.jobs.lists.entries import LISTS
from core.jobs.records import JobSpec, JobStatus
from core.live import records
from core.live.names import told_key
from core.storage.base import ObjectMissingError
from tests.support.interrupted_storage import Point, stopped_at
from tests.support.job_life import Life
from tests.support.recording_storage import RecordingStorage, Request


def learned(life: Life) -> JobSpec:
    """Return a personalization that has ended well."""
    spec = life.accept(life.personalization())
    attempt = life.claims().take("personalize")
    assert attempt is not None
    life.store.finish(spec, life.success(attempt))
    return spec


def recorded(life: Life) -> tuple[Life, list[Request]]:
    """Return another process' view, and what it asks of storage."""
    requests: list[Request] = []
    process = life.process()
    return process.with_storage(RecordingStorage(process.storage, requests)), requests  # type: ignore[arg-type]


def work_on_one(life: Life) -> None:
    attempt = life.claims().take("personalize")
    assert attempt is not None
    life.store.finish(attempt.spec, life.success(attempt))


def without_redis(life: Life, monkeypatch: pytest.MonkeyPatch) -> Life:
    """Return another process' view, which does not reach Redis."""
    process = life.process()

    def away(*_: object, **__: object) -> None:
        raise redis.ConnectionError("away")

    monkeypatch.setattr(process.live.client, "execute_command", away)
    monkeypatch.setattr(process.live.client.connection_pool, "get_connection", away)
    return process


# Ready tails


def test_storage_is_asked_once_for_a_tail_that_is_ready_and_again_for_one_that_is_not(life: Life) -> None:
    ready, waiting = learned(life), life.accept(life.personalization())
    api, requests = recorded(life)

    ends = [api.store.ready_tails.end(spec.tail_id)[1] for spec in (ready, ready, waiting, waiting)]

    assert [end is not None and end.status for end in ends] == [JobStatus.SUCCEEDED] * 2 + [False] * 2
    assert [key for method, key in requests if key.endswith("/end.json")] == [
        keys.end(ready.id),
        keys.end(waiting.id),
        keys.end(waiting.id),
    ]


def test_a_tail_that_another_process_deletes_is_gone_at_once(life: Life) -> None:
    spec, api = learned(life), life.process()
    assert api.store.ready_tails.end(spec.tail_id)[1] is not None

    life.process().store.deletion.tail(spec.tail_id)

    for _ in range(2):
        with pytest.raises(GoneError):
            api.store.ready_tails.end(spec.tail_id)


def test_a_tail_is_gone_although_somebody_asked_for_it_after_its_deletion(life: Life) -> None:
    spec, first, second = learned(life), life.process(), life.process()
    assert first.store.ready_tails.end(spec.tail_id)[1] is not None
    life.process().store.deletion.tail(spec.tail_id)
    second.live.ready_tokens.token(spec.tail_id)  # what it does before it reads storage

    with pytest.raises(GoneError):
        first.store.ready_tails.end(spec.tail_id)


@pytest.mark.parametrize("redis_is", ["empty", "away"])
def test_a_redis_that_can_not_tell_of_a_deletion_lets_storage_be_asked(
    life: Life, redis_is: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, api = learned(life), life.process()
    assert api.store.ready_tails.end(spec.tail_id)[1] is not None
    if redis_is == "away":
        monkeypatch.setattr(api.live.ready_tokens, "token", _raise_away)

    life.process().store.deletion.tail(spec.tail_id)
    if redis_is == "empty":
        life.live.client.flushall()

    with pytest.raises(GoneError):
        api.store.ready_tails.end(spec.tail_id)


def test_a_tails_file_is_read_once_and_never_after_its_deletion(life: Life) -> None:
    spec = learned(life)
    end = life.store.end(spec.id)
    assert end is not None
    assert end.tail_key is not None
    worker, requests = recorded(life)

    read = [worker.store.ready_tails.file(spec.tail_id, end.tail_key) for _ in range(3)]
    life.process().store.deletion.tail(spec.tail_id)

    assert (read, requests) == ([b"tail"] * 3, [("get", end.tail_key)])
    with pytest.raises(ObjectMissingError):
        worker.store.ready_tails.file(spec.tail_id, end.tail_key)


def test_a_deletion_that_redis_did_not_hear_of_is_told_to_it_when_it_is_back(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, api = learned(life), life.process()
    assert api.store.ready_tails.end(spec.tail_id)[1] is not None
    with monkeypatch.context() as outage:
        deleting = without_redis(life, outage)
        deleting.store.deletion.tail(spec.tail_id)

    deleting.reconciler.run_once()

    with pytest.raises(GoneError):
        api.store.ready_tails.end(spec.tail_id)


def _raise_away(_: str) -> str:
    raise redis.ConnectionError("away")


# Specs of what is soon claimed


def test_a_worker_claims_what_was_just_queued_without_asking_storage_for_its_spec(life: Life) -> None:
    spec = life.accept(life.personalization(labels={"name": "Rex"}))
    worker, requests = recorded(life)

    attempt = worker.claims().take("personalize")

    assert attempt is not None
    assert attempt.spec == spec == life.process().store.spec(spec.id)
    assert requests == [("create", keys.attempt(spec.id, 1))]
    assert life.live.client.get(told_key(spec.id)) is None


def test_specs_of_a_long_line_are_not_kept_in_redis_and_read_from_storage(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "TOLD", 3)
    specs = [life.accept(life.personalization()) for _ in range(5)]
    assert [life.live.client.exists(told_key(spec.id)) for spec in specs] == [1, 1, 1, 0, 0]
    life.live.client.delete(*(told_key(spec.id) for spec in specs))  # as time does
    worker, requests = recorded(life)

    attempt = worker.claims().take("personalize")

    assert attempt is not None
    assert attempt.spec == specs[0]
    assert ("get", keys.spec(specs[0].id)) in requests


def test_of_a_deleted_job_redis_keeps_no_spec(life: Life) -> None:
    spec = life.accept(life.personalization())

    life.store.deletion.job(spec.id)

    assert life.live.client.get(told_key(spec.id)) is None
    assert life.claims().take("personalize") is None


def test_a_job_that_was_deleted_while_redis_was_away_leaves_nothing_though_a_worker_claims_it(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = life.accept(life.personalization())
    without_redis(life, monkeypatch).store.deletion.job(spec.id)

    worker = life.process()
    work_on_one(worker)

    assert [info.key for info in life.storage.list(keys.job(spec.id))] == [keys.end(spec.id)]
    assert [info.key for info in life.storage.list(LISTS)] == []


# Entries of what ended


def test_whoever_ends_a_job_asks_storage_nothing_more_about_it(life: Life) -> None:
    spec = life.accept(life.personalization())
    attempt = life.claims().take("personalize")
    assert attempt is not None
    end = life.success(attempt)
    worker, requests = recorded(life)

    worker.store.finish(spec, end)

    assert [key for method, key in requests if method in ("get", "head")] == []


def test_an_entry_written_after_a_deletion_is_taken_back_though_redis_was_emptied_meanwhile(life: Life) -> None:
    spec = life.accept(life.personalization())

    with stopped_at(life, Point("put", ".ended-"), work_on_one):
        life.process().store.deletion.job(spec.id)
        life.live.client.flushall()

    assert [info.key for info in life.storage.list(LISTS)] == []


def test_an_entry_written_after_a_deletion_that_redis_did_not_hear_of_is_removed_later(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doubts, "AFTER_S", 0)
    spec = life.accept(life.personalization())

    with stopped_at(life, Point("put", ".ended-"), work_on_one):
        without_redis(life, monkeypatch).store.deletion.job(spec.id)
    assert [info.key for info in life.storage.list(LISTS)] != []

    life.process().reconciler.run_once()

    assert [info.key for info in life.storage.list(LISTS)] == []
    assert [info.key for info in life.storage.list(keys.DOUBTS)] == []
