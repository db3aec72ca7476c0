"""A personalization and the edits that were accepted with it: one write accepts all of them."""

from __future__ import annotations

from core.jobs import keys
from core.jobs.records import JobSpec, JobStatus
from tests.support.flaky_storage import FlakyStorage
from tests.support.job_life import Life


def with_edits(life: Life, count: int = 2) -> JobSpec:
    source = life.personalization()
    return source.model_copy(update={"edits": tuple(life.edit(source) for _ in range(count))})


def test_all_are_jobs_once_they_are_made_known(life: Life) -> None:
    source = life.accept(with_edits(life))
    assert life.open_jobs() == {source.id, *(edit.id for edit in source.edits)}
    assert life.status(source) is JobStatus.QUEUED
    assert [life.status(edit) for edit in source.edits] == [JobStatus.WAITING] * 2
    attempt = life.claims().take("personalize")
    assert attempt
    life.store.finish(attempt.spec, life.success(attempt))
    assert [life.status(edit) for edit in source.edits] == [JobStatus.QUEUED] * 2


def test_when_a_process_dies_right_after_the_acceptance_the_next_one_brings_the_edits(life: Life) -> None:
    source = life.accept(with_edits(life), announce=False)
    assert life.open_jobs() == {source.id}

    life.process().reconciler.run_once()

    assert life.open_jobs() == {source.id, *(edit.id for edit in source.edits)}
    assert [life.status(edit) for edit in source.edits] == [JobStatus.WAITING] * 2


def test_an_edit_that_storage_refuses_for_a_while_comes_later(life: Life) -> None:
    source, away = with_edits(life), True
    second = keys.spec(source.edits[1].id)
    flaky = life.with_storage(
        FlakyStorage(life.storage, fails=lambda call, key: away and (call, key) == ("create", second))
    )

    flaky.accept(source)  # announcing raises nothing: all three are accepted
    assert flaky.store.owed() == [source]
    away = False
    flaky.store.pay(source)

    assert flaky.store.owed() == []
    assert [life.status(edit) for edit in source.edits] == [JobStatus.WAITING] * 2


def test_bringing_them_again_changes_nothing(life: Life) -> None:
    source = life.accept(with_edits(life))
    life.store.cancel(source.edits[0].id)
    opened = life.open_jobs()

    life.store.track(source)

    assert life.open_jobs() == opened == {source.id, source.edits[1].id}
    assert life.status(source.edits[0]) is JobStatus.CANCELED
