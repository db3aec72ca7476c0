"""Which job a worker takes next; the engine is not asked here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.config import Settings
from core.jobs.attempts import Attempt
from core.jobs.records import JobSpec, JobStatus
from tests.support.job_life import Life
from tests.support.redis_server import redis_server
from worker.engine import CancelReason, Engine
from worker.model_cache import ModelCache
from worker.serving import runner as runner_module
from worker.serving.active import ActiveAttempt
from worker.serving.runner import Runner


@pytest.fixture
def life(tmp_path: Path) -> Iterator[Life]:
    with redis_server() as endpoint:
        yield Life(tmp_path / "storage", endpoint.url)


def worker(life: Life, worker_id: str) -> Runner:
    settings = Settings(_env_file=None, personalize_slots=2, edit_slots=2)
    return Runner(settings, life.claims(worker_id), Engine(), ModelCache({}))


def takes(runner: Runner, kind: str = "personalize") -> ActiveAttempt | None:
    """Let a worker take a job as it does before it runs it."""
    attempt = runner._take(kind)  # type: ignore[arg-type]
    if attempt is None:
        return None
    active = runner._active[attempt.token] = ActiveAttempt(attempt, alone=attempt.alone)
    return active


def ends(runner: Runner, active: ActiveAttempt) -> None:
    del runner._active[active.attempt.token]
    runner._give(active)


def suspect(life: Life) -> JobSpec:
    """Accept a job and let the worker that runs it die."""
    spec = life.accept(life.personalization())
    attempt = life.claims("a worker that dies").take("personalize")
    assert isinstance(attempt, Attempt)
    life.lose_lease(spec)
    assert life.live.leases.reap(spec.id)
    return spec


def test_a_full_kind_leaves_the_other_kind_its_slots(life: Life) -> None:
    source = life.accept(life.personalization())
    first = life.claims().take("personalize")
    assert first is not None
    life.store.finish(source, life.success(first))
    for _ in range(3):
        life.accept(life.personalization())
    edit = life.accept(life.edit(source))
    runner = worker(life, "w1")

    assert [takes(runner) is not None for _ in range(3)] == [True, True, False]

    taken = takes(runner, "edit")
    assert taken is not None
    assert taken.attempt.spec == edit


def test_a_suspect_runs_on_an_idle_worker_with_nobody_beside_it(life: Life) -> None:
    spec = suspect(life)
    life.accept(life.personalization())
    runner = worker(life, "w1")

    active = takes(runner)

    assert active is not None
    assert (active.attempt.spec, active.alone) == (spec, True)
    assert takes(runner) is None


def test_for_a_suspect_one_worker_makes_itself_free_and_the_others_go_on(life: Life) -> None:
    w1, w2 = worker(life, "w1"), worker(life, "w2")
    for runner in (w1, w2):
        life.accept(life.personalization())
        assert takes(runner) is not None
    suspect(life)
    for _ in range(2):
        life.accept(life.personalization())

    assert takes(w1) is None
    assert takes(w2) is not None
    assert [active.reason for active in w1._active.values()] == [CancelReason.HANDED_BACK]


def test_between_two_suspects_others_get_their_turn(life: Life) -> None:
    suspect(life)
    suspect(life)
    other = life.accept(life.personalization())
    runner = worker(life, "w1")
    first = takes(runner)
    assert first is not None
    assert first.alone

    ends(runner, first)

    second = takes(runner)
    assert second is not None
    assert second.attempt.spec == other


def test_after_its_probation_a_suspect_goes_on_with_others_beside_it(life: Life) -> None:
    suspect(life)
    life.accept(life.personalization())
    runner = worker(life, "w1")
    first = takes(runner)
    assert first is not None

    runner._end_probation(first)

    assert takes(runner) is not None
    assert takes(runner) is None  # two slots
    ends(runner, first)
    assert runner.slots.taken() == {"personalize": 1, "edit": 0}


def test_a_hand_back_waits_for_storage_to_come_back(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner_module, "STORAGE_RETRY_S", 0.01)
    spec = life.accept(life.personalization())
    runner = worker(life, "w1")
    active = takes(runner)
    assert active is not None
    mount = life.folder / ".tmp"
    away = mount.rename(life.folder / "away")
    active.canceled.wait = lambda _: away.rename(mount) and False  # type: ignore[method-assign] # it comes back while the runner waits

    assert runner._hand_back(active) == "handed_back"

    assert life.status(spec) is JobStatus.QUEUED
    again = life.claims("w2").take("personalize")
    assert again is not None
    assert again.crashes == 0
