"""What an expiry costs, and what it tells; tests/api/test_retention.py has what goes and when."""

from __future__ import annotations

from typing import Any

import pytest
from structlog.testing import capture_logs

from core.clock import FleetClock
from core.jobs import keys
from core.jobs.keeping import needs
from core.jobs.keeping.expiry import EXPIRING, Expiry
from core.jobs.keeping.needs import Needs
from core.jobs.records import JobSpec
from core.storage.base import Storage
from tests.support.job_life import Life

TTL_S = 60


class Read:
    """A storage that notes what is read."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self.keys: list[str] = []

    def get(self, key: str) -> bytes:
        self.keys.append(key)
        return self._storage.get(key)

    def __getattr__(self, method: str) -> Any:
        return getattr(self._storage, method)

    def take(self, jobs: list[JobSpec]) -> int:
        """Return how many of these jobs' objects were read since this was last asked."""
        count = sum(key in {keys.end(job.id), keys.spec(job.id)} for job in jobs for key in self.keys)
        self.keys = []
        return count


def learned(life: Life) -> JobSpec:
    """Return a personalization that is soon over its time; something older than its edits is open."""
    life.accept(life.personalization())
    source = life.accept(life.personalization(ttl_s=TTL_S))
    claims = life.claims()
    while (attempt := claims.take("personalize")) and attempt.spec != source:
        pass
    assert attempt
    life.store.finish(source, life.success(attempt))
    return source


def ended_edits(life: Life, source: JobSpec, count: int) -> list[JobSpec]:
    edits = [life.accept(life.edit(source)) for _ in range(count)]
    for edit in edits:
        life.store.cancel(edit.id)
    return edits


def later(life: Life, after_s: float = 1000) -> tuple[Life, Read]:
    """Return a process so many seconds from now, and what it reads."""
    storage: Any = Read(life.storage)
    process = life.with_storage(storage)
    now_s = life.clock.now_s() + after_s
    process.store.clock = FleetClock(lambda: now_s)
    return process, storage


def test_an_edit_that_redis_knows_as_open_keeps_its_tail_and_nothing_is_read_of_the_others(life: Life) -> None:
    source = learned(life)
    edits = [life.accept(life.edit(source)), *ended_edits(life, source, 5)]
    process, read = later(life)

    assert Needs(process.store).is_needed(source.id)

    assert read.take(edits) == 0


def test_an_edit_that_redis_has_forgotten_keeps_its_tail(life: Life) -> None:
    source = learned(life)
    life.accept(life.edit(source))
    life.live.client.flushall()
    assert Needs(later(life)[0].store).is_needed(source.id)


def test_a_look_at_many_ended_edits_reads_some_and_the_next_one_goes_on(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(needs, "MOST_READ", 3)
    source = learned(life)
    edits = ended_edits(life, source, 8)
    process, read = later(life)
    look = Needs(process.store)

    needed = [(look.is_needed(source.id), read.take(edits)) for _ in range(3)]

    assert needed == [(True, 3), (True, 3), (False, 2)]


def test_a_tail_that_somebody_deleted_after_its_time_is_not_told_as_expired(life: Life) -> None:
    source = learned(life)
    process, _ = later(life, after_s=TTL_S + 1)
    expiry = Expiry(process.store, life.reconciler._guarded)
    expiry.go_on()  # puts it off: its time is only just over
    life.store.deletion.tail(source.tail_id)
    assert [info.key.rpartition("-")[2] for info in life.storage.list(EXPIRING)] == [source.id]

    process, _ = later(life)
    with capture_logs() as logs:
        Expiry(process.store, life.reconciler._guarded).go_on()

    assert [line for line in logs if line["event"].startswith("job.expired")] == []
    assert list(life.storage.list(EXPIRING)) == []
