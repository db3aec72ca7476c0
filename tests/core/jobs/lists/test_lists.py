"""Lists stay right whatever is cut off, raced or older than they are."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from core.jobs import keys
from core.jobs.ids import new_job_id
from core.jobs.lists import backfill
from core.jobs.lists.entries import LISTS, accepted_keys
from core.jobs.lists.pages import Pages, Query
from core.jobs.records import DEFAULT_OWNER, JobSpec, JobStatus
from tests.support.job_life import Life


def listed(life: Life, owner: str = DEFAULT_OWNER) -> list[str]:
    """Return the ids of all pages, of two jobs each."""
    found, after = [], None
    while True:
        page = Pages(life.store).read(Query(owner=owner, limit=2, after=after))
        found += [item.state.spec.id for item in page.items]
        if (after := page.after) is None:
            return found


def entries(life: Life) -> list[str]:
    return [info.key for info in life.storage.list(LISTS)]


def hours_apart(life: Life, count: int) -> list[JobSpec]:
    now = life.clock.now()
    return [life.personalization(created_at=now - timedelta(hours=5 * ago)) for ago in range(count)]


def test_jobs_of_different_hours_and_kinds_are_one_list(life: Life) -> None:
    specs = hours_apart(life, 5)
    edit = life.edit(specs[0], created_at=specs[2].created_at + timedelta(seconds=1))
    for spec in (*specs, edit):
        life.accept(spec)
    assert listed(life) == [spec.id for spec in (*specs[:2], edit, *specs[2:])]


@pytest.mark.parametrize("owner", ["alice", "..", "a/b", "größe", "a.b", "x y%2F"])
def test_owners_see_their_own_jobs_whatever_they_are_called(life: Life, owner: str) -> None:
    mine, others = life.accept(life.personalization(owner=owner)), life.accept(life.personalization(owner="bob"))
    assert (listed(life, owner), listed(life, "bob")) == ([mine.id], [others.id])


def test_of_two_requests_with_one_id_only_the_accepted_one_is_listed(life: Life) -> None:
    first = life.personalization()
    second = first.model_copy(update={"created_at": first.created_at + timedelta(seconds=2)})
    life.store.accept(first)
    life.store.accept(second)
    assert entries(life) == accepted_keys(first)
    assert listed(life) == [first.id]


def test_an_entry_of_a_request_that_was_cut_off_is_removed_by_a_later_reader(life: Life) -> None:
    fresh, old = hours_apart(life, 2)
    kept = life.accept(life.personalization())
    repeated = kept.model_copy(update={"created_at": kept.created_at - timedelta(seconds=9)})
    for spec in (fresh, old, repeated):
        life.store.lists.enter(spec)
    assert listed(life) == [kept.id]
    assert entries(life) == sorted([*accepted_keys(fresh), *accepted_keys(kept)])


def test_a_job_is_listed_or_gone_however_its_end_and_its_deletion_meet(life: Life) -> None:
    specs = [life.accept(life.personalization()) for _ in range(12)]
    with ThreadPoolExecutor(8) as pool:
        ends = [pool.submit(life.process().store.cancel, spec.id) for spec in specs]
        gone = [pool.submit(life.process().store.deletion.job, spec.id) for spec in specs]
        pages = [pool.submit(listed, life) for _ in range(4)]
    assert all(future.exception() is None for future in (*gone, *pages))
    assert len(ends) == 12  # a cancellation may come after the deletion, and then hears of it
    assert (listed(life), entries(life)) == ([], [])


class AtOnce:
    """A thread that does its work when it is started, so that a test need not wait for it."""

    started = 0

    def __init__(self, target: Callable[[], None], **_: object) -> None:
        self._target = target

    def start(self) -> None:
        AtOnce.started += 1
        self._target()

    def is_alive(self) -> bool:
        return False


def test_the_leader_enters_the_jobs_of_a_version_without_lists_once(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = life.accept(life.personalization())
    attempt = life.claims().take("personalize")
    assert attempt is not None
    life.store.finish(spec, life.success(attempt))
    edit = life.accept(life.edit(spec))
    life.store.deletion.job(life.accept(life.personalization()).id)
    before = entries(life)
    life.storage.delete_prefix(LISTS)
    life.storage.put(keys.picture(new_job_id(), "0" * 64), b"of a request that was never accepted")
    monkeypatch.setattr(backfill, "Thread", AtOnce)
    monkeypatch.setattr(backfill, "TRY_EVERY_S", 0)

    process = life.process()
    process.reconciler.run_once()
    process.reconciler.run_once()
    life.process().reconciler.run_once()

    assert AtOnce.started == 1
    assert entries(life) == before
    shown = Pages(life.store).read(Query(owner=DEFAULT_OWNER, limit=9)).items
    assert [(item.state.spec.id, item.state.status) for item in shown] == [
        (edit.id, JobStatus.QUEUED),
        (spec.id, JobStatus.SUCCEEDED),
    ]
