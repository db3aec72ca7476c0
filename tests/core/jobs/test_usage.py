"""How many bytes an owner has stored, while several processes write, count and delete at the same time."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from core.jobs.lists.lists import FEW, WRITERS, JobLists
from core.jobs.records import JobSpec
from core.live import names
from core.live.stored import KEEP_S
from core.storage.base import ObjectInfo, Storage
from tests.support.job_life import Life


def accepted(life: Life, size: int, **changes: Any) -> JobSpec:
    return life.accept(life.personalization(owner="ann", input_bytes=size, **changes))


def test_a_job_that_many_delete_at_once_is_given_back_once(life: Life) -> None:
    accepted(life, 7)
    assert life.store.usage.of("ann") == 7
    spec = accepted(life, 50)
    processes = [life.process() for _ in range(4)]

    def delete(process: Life) -> None:
        process.store.usage.deleted(spec, None)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(delete, processes))
    assert life.store.usage.of("ann") == 7


def test_what_comes_while_somebody_counts_is_not_lost(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    accepted(life, 5)
    read = JobLists.read

    def read_and_accept(lists: JobLists, *which: Any) -> Any:
        yield from read(lists, *which)
        accepted(life.process(), 11)  # behind what was read

    monkeypatch.setattr(JobLists, "read", read_and_accept)
    life.store.usage.of("ann")
    monkeypatch.undo()
    assert life.store.usage.of("ann") == 16


def test_while_somebody_counts_anew_the_old_sum_holds_for_others(life: Life) -> None:
    accepted(life, 5)
    life.live.client.set(names.stored_key("ann"), 900, ex=KEEP_S - 1000)
    token = life.live.stored.begin("ann")
    assert token
    assert life.process().store.usage.of("ann", limit=100) == 900
    life.live.stored.end("ann", token, None)
    assert life.process().store.usage.of("ann", limit=100) == 5


def test_what_never_got_its_202_counts_for_nothing(life: Life) -> None:
    accepted(life, 5)
    life.store.lists.enter(life.personalization(owner="ann", input_bytes=900))  # and then the process was gone
    assert life.store.usage.of("ann") == 5


class SlowToLook:
    """A storage that says whether a job is there only once a test lets it."""

    def __init__(self, storage: Storage) -> None:
        self._storage, self.go_on = storage, threading.Event()
        self.asked = threading.Semaphore(0)

    def head(self, key: str) -> ObjectInfo | None:
        self.asked.release()
        assert self.go_on.wait(60)
        return self._storage.head(key)

    def __getattr__(self, method: str) -> Any:
        return getattr(self._storage, method)


def test_while_somebody_counts_many_open_jobs_others_are_accepted(life: Life) -> None:
    """All jobs were looked for at once, in the threads that write a new job's entries."""
    for _ in range(WRITERS + 1):
        accepted(life, 5)
    storage: Any = SlowToLook(life.storage)
    slow = life.with_storage(storage)
    with ThreadPoolExecutor() as pool:
        counted = pool.submit(slow.store.usage.of, "ann")
        try:
            assert all(storage.asked.acquire(timeout=20) for _ in range(FEW))
            taken = pool.submit(slow.store.accept, life.personalization(owner="bob"))
            assert taken.result(timeout=20)[1]
            assert not storage.asked.acquire(blocking=False)
        finally:
            storage.go_on.set()
        assert counted.result(timeout=60) == 5 * (WRITERS + 1)


def test_only_who_counts_says_what_was_counted(life: Life) -> None:
    token = life.live.stored.begin("ann")
    assert token
    assert life.live.stored.begin("ann") is None
    life.live.stored.end("ann", "somebody else's", 3)
    assert life.live.stored.read("ann") is None
    life.live.stored.end("ann", token, 4)
    assert (life.live.stored.read("ann") or (0, 0))[0] == 4


def test_an_end_that_redis_has_forgotten_is_not_counted_again(life: Life) -> None:
    spec = accepted(life, 5)
    life.store.cancel(spec.id)
    counts = life.live.client.hgetall(names.COUNTS)
    life.live.client.delete(names.record_key(spec.id))
    life.store.cancel(spec.id)
    assert life.live.client.hgetall(names.COUNTS) == counts
    assert counts[names.ended_count("personalize", "canceled")] == "1"


def test_an_end_is_counted_even_if_redis_has_lost_the_job(life: Life) -> None:
    spec = accepted(life, 5)
    life.live.client.flushall()
    life.store.cancel(spec.id)
    assert life.live.client.hget(names.COUNTS, names.ended_count("personalize", "canceled")) == "1"
