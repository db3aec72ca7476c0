"""An edit with several tails is queued when all of them are there, and fails when one never will be."""

from __future__ import annotations

import pytest

from core.jobs import keys
from core.jobs.lists.pages import Pages, Query
from core.jobs.records import JobEnd, JobSpec, JobStatus
from core.live.names import waiting_key
from core.models.parameters import TailUse
from tests.support.job_life import Life


def edit_of(life: Life, *sources: JobSpec) -> JobSpec:
    tails = tuple(TailUse(id=source.tail_id) for source in sources)
    return life.accept(life.edit(sources[0], tails=tails))


def succeeds(life: Life, spec: JobSpec) -> None:
    while attempt := life.claims().take("personalize"):
        life.store.finish(attempt.spec, life.success(attempt))
        if attempt.spec == spec:
            return


def is_remembered(life: Life, *sources: JobSpec) -> bool:
    return any(life.live.client.exists(waiting_key(source.tail_id)) for source in sources)


def test_it_waits_for_the_last_of_its_tails(life: Life) -> None:
    one = life.accept(life.personalization())
    other = life.accept(life.personalization())
    edit = edit_of(life, one, other)

    succeeds(life, one)

    assert life.status(edit) is JobStatus.WAITING
    assert life.live.open_jobs.are_waiting([edit.id]) == [True]
    assert life.store.state(edit.id).waiting_for == f"tails {one.tail_id}, {other.tail_id}"
    succeeds(life, other)
    assert life.status(edit) is JobStatus.QUEUED
    assert life.claims().take("edit") is not None
    assert not is_remembered(life, one, other)


def test_it_is_queued_at_once_when_all_are_there_whichever_came_first(life: Life) -> None:
    one = life.accept(life.personalization())
    other = life.accept(life.personalization())
    succeeds(life, other)

    edit = edit_of(life, one, other)
    assert life.status(edit) is JobStatus.QUEUED


@pytest.mark.parametrize("failing", [0, 1])
def test_it_fails_as_soon_as_one_of_them_fails(life: Life, failing: int) -> None:
    sources = [life.accept(life.personalization()) for _ in range(2)]
    edit = edit_of(life, *sources)

    life.store.fail(sources[failing], "not-finite", "Not finite", "the loss was not finite")

    end = life.store.end(edit.id)
    assert end is not None
    assert end.error is not None
    assert end.error.detail == f"{sources[failing].tail_id} was not made: the loss was not finite"
    assert not is_remembered(life, *sources)


def test_it_fails_when_one_of_them_was_deleted_before_the_other_is_there(life: Life) -> None:
    one, other = (life.accept(life.personalization()) for _ in range(2))
    succeeds(life, one)
    edit = edit_of(life, one, other)
    life.store.deletion.tail(one.tail_id)

    succeeds(life, other)

    end = life.store.end(edit.id)
    assert end is not None
    assert end.error is not None
    assert end.error.type == "tail-gone"


def test_the_reconciler_queues_it_although_nobody_was_there_when_its_last_tail_ended(life: Life) -> None:
    one, other = (life.accept(life.personalization()) for _ in range(2))
    edit = edit_of(life, one, other)
    life.live.client.delete(waiting_key(one.tail_id), waiting_key(other.tail_id))
    succeeds(life, one)
    succeeds(life, other)
    assert life.status(edit) is JobStatus.WAITING

    life.reconciler.run_once()

    assert life.status(edit) is JobStatus.QUEUED


def test_it_is_there_for_readers_while_one_of_its_tails_is_deleted(life: Life) -> None:
    one = life.accept(life.personalization())
    other = life.accept(life.personalization())
    succeeds(life, one)
    edit = edit_of(life, one, other)
    tombstone = JobEnd(job_id=one.id, status=JobStatus.CANCELED, ended_at=life.clock.now(), deleted=True)
    life.storage.put(keys.end(one.id), tombstone.model_dump_json().encode())
    life.storage.delete(keys.spec(one.id))

    process = life.process()
    assert process.store.state(edit.id).status is JobStatus.WAITING
    query = Query(owner=edit.owner, limit=10, kind="edit")
    for _ in range(2):
        assert [job.state.spec.id for job in Pages(process.store).read(query).items] == [edit.id]
