"""Which job a worker takes next; the engine is not asked here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from queue import Queue

import pytest
import structlog
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from core.config import Settings
from core.errors import StorageUnavailableError
from core.jobs import keys
from core.jobs.attempts import Attempt
from core.jobs.records import JobEnd, JobSpec, JobStatus
from core.live.names import again, nudges_key
from tests.support.job_life import LONG_LEASE_S, Life
from tests.support.redis_server import redis_server
from worker.engine import CancelReason, Engine
from worker.model_cache import ModelCache
from worker.served_models import ServedModels
from worker.serving.active import ActiveAttempt
from worker.serving.breakdown import Breakdown
from worker.serving.ends import closing
from worker.serving.runner import Runner
from worker.serving.seat import NoSeat

AGAIN = again("personalize")


@pytest.fixture
def life(tmp_path: Path) -> Iterator[Life]:
    with redis_server() as endpoint:
        yield Life(tmp_path / "storage", endpoint.url, lease_s=LONG_LEASE_S)


def worker(life: Life, worker_id: str, *, slots: int = 2) -> Runner:
    settings = Settings(_env_file=None, personalize_slots=slots, edit_slots=slots)
    models = ServedModels(ModelCache({}))
    return Runner(settings, life.claims(worker_id), Engine(), models, seat=NoSeat())


def takes(runner: Runner, kind: str = "personalize") -> ActiveAttempt | None:
    """Let a worker take a job as it does before it runs it."""
    attempt = runner.taker.take(kind)  # type: ignore[arg-type]
    if attempt is None:
        return None
    active = runner._active[attempt.token] = ActiveAttempt(attempt, alone=attempt.alone)
    return active


def ends(runner: Runner, active: ActiveAttempt) -> None:
    del runner._active[active.attempt.token]
    runner.taker.give(active)


def met_crashes(life: Life, crashes: int) -> JobSpec:
    """Accept a job and let the workers that run it die."""
    spec = life.accept(life.personalization())
    for line in ("personalize", AGAIN)[:crashes]:
        attempt = life.claims("a worker that dies").take(line)
        assert isinstance(attempt, Attempt)
        life.storage.create(keys.crashed(spec.id, attempt.number), b"")
        life.reconciler.reap(spec, token=attempt.token)
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


def test_jobs_that_met_a_crash_fill_half_of_the_slots_and_others_the_rest(life: Life) -> None:
    met_one = {met_crashes(life, 1).id for _ in range(3)}
    others = {life.accept(life.personalization()).id for _ in range(3)}
    runner = worker(life, "w1", slots=4)

    taken = [active for _ in range(5) if (active := takes(runner))]

    ids = {active.attempt.spec.id for active in taken}
    assert (len(ids & met_one), len(ids & others)) == (2, 2)
    ends(runner, next(active for active in taken if active.attempt.crashes))
    third = takes(runner)
    assert third is not None
    assert third.attempt.spec.id in met_one - ids


def test_a_job_that_met_two_crashes_runs_on_an_idle_worker_with_nobody_beside_it(life: Life) -> None:
    spec = met_crashes(life, 2)
    life.accept(life.personalization())
    runner = worker(life, "w1")

    active = takes(runner)

    assert active is not None
    assert (active.attempt.spec, active.alone) == (spec, True)
    assert takes(runner) is None


def test_when_no_worker_is_idle_one_makes_itself_free_and_the_others_go_on(life: Life) -> None:
    w1, w2 = worker(life, "w1"), worker(life, "w2")
    for runner in (w1, w2):
        life.accept(life.personalization())
        assert takes(runner) is not None
    met_crashes(life, 2)
    for _ in range(2):
        life.accept(life.personalization())

    assert takes(w1) is None
    assert takes(w2) is not None
    assert [active.reason for active in w1._active.values()] == [CancelReason.HANDED_BACK]


def test_a_worker_that_is_ended_gives_the_right_to_run_what_must_run_alone_back(life: Life) -> None:
    w1, w2 = worker(life, "w1"), worker(life, "w2")
    for runner in (w1, w2):
        life.accept(life.personalization())
        assert takes(runner) is not None
    met_crashes(life, 2)
    assert takes(w1) is None

    w1.drain()

    assert takes(w2) is None
    assert [active.reason for active in w2._active.values()] == [CancelReason.HANDED_BACK]


def test_between_two_that_run_alone_others_get_their_turn(life: Life) -> None:
    met_crashes(life, 2)
    met_crashes(life, 2)
    other = life.accept(life.personalization())
    runner = worker(life, "w1")
    first = takes(runner)
    assert first is not None
    assert first.alone

    ends(runner, first)

    second = takes(runner)
    assert second is not None
    assert second.attempt.spec == other


def test_after_its_probation_a_job_goes_on_with_others_beside_it(life: Life) -> None:
    met_crashes(life, 2)
    life.accept(life.personalization())
    runner = worker(life, "w1")
    first = takes(runner)
    assert first is not None

    runner.taker.end_probation(first)

    assert takes(runner) is not None
    assert takes(runner) is None  # two slots
    ends(runner, first)
    assert runner.slots.taken() == {"personalize": 1, "edit": 0}


def test_a_crash_after_its_probation_is_none_that_it_met_alone(life: Life) -> None:
    spec = met_crashes(life, 2)
    for number in (3, 4):
        runner = worker(life, f"w{number}")
        active = takes(runner)
        assert active is not None
        assert active.attempt.number == number
        if number == 3:
            runner.taker.end_probation(active)
        life.claims().note_crash(active.attempt)
        life.reconciler.reap(spec, token=active.attempt.token)

    last = takes(worker(life, "w5"))

    assert last is not None
    assert (last.attempt.number, last.attempt.crashes, last.alone) == (5, 4, True)


def test_a_lost_lease_stops_its_own_attempt_and_not_a_newer_one_of_the_same_job(life: Life) -> None:
    life.accept(life.personalization())
    runner = worker(life, "w1")
    old = takes(runner)
    assert old is not None
    life.live.leases.release(old.attempt.spec.id, old.attempt.token)
    life.reconciler.reap(old.attempt.spec)
    new = takes(runner)
    assert new is not None
    assert new.attempt.number == 2

    runner.lose(old.attempt)

    assert (old.reason, new.reason) == (CancelReason.CANCELED, None)


def test_a_model_that_is_lost_fails_no_job_and_ends_the_worker_with_a_reason(life: Life) -> None:
    spec = life.accept(life.personalization())
    codes: Queue[int] = Queue()
    runner = worker(life, "w1")
    runner.breakdown = Breakdown(lambda: None, lambda: 0, codes.put)
    attempt = runner.taker.take("personalize")
    assert attempt is not None

    runner._run(attempt)

    assert codes.get(timeout=10) == 75
    assert life.status(spec) is JobStatus.QUEUED
    again_taken = life.claims("w2").take("personalize")
    assert again_taken is not None
    assert again_taken.crashes == 0


def test_a_full_kinds_nudges_are_left_to_others_until_a_slot_is_free(life: Life) -> None:
    heeded: list[tuple[str, bool]] = []
    runner = worker(life, "w1", slots=1)
    runner.heed = lambda kind, on: heeded.append((kind, on))
    life.accept(life.personalization())
    active = takes(runner)
    assert active is not None

    runner.heed_nudges()
    ends(runner, active)
    runner.heed_nudges()

    assert heeded == [("personalize", False), ("edit", True), ("personalize", True), ("edit", True)]


def test_beside_a_job_that_runs_alone_no_nudge_is_taken_until_its_probation_ends(life: Life) -> None:
    met_crashes(life, 2)
    heeded: dict[str, bool] = {}
    runner = worker(life, "w1")
    runner.heed = heeded.__setitem__
    active = takes(runner)
    assert active is not None

    runner.heed_nudges()
    assert heeded == {"personalize": False, "edit": False}
    runner._end_probation(active)
    assert heeded == {"personalize": True, "edit": True}


def test_jobs_from_the_line_of_crashes_whose_history_has_none_fill_no_slots_for_good(life: Life) -> None:
    """Their lease was lost and they were queued for half the company; then their worker handed them back after all."""
    runner = worker(life, "w1", slots=2)
    for _ in range(3):
        spec = life.accept(life.personalization())
        lost = life.claims("a worker that Redis lost").take("personalize")
        assert lost is not None
        life.reconciler.reap(spec, token=lost.token)
        life.storage.create(keys.handed_back(spec.id, lost.number), b"")
        active = takes(runner)
        assert active is not None
        assert (active.attempt.spec, active.attempt.crashes) == (spec, 0)
        ends(runner, active)


def test_a_hand_back_waits_for_storage_to_come_back(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(closing, "STORAGE_RETRY_S", 0.01)
    spec = life.accept(life.personalization())
    runner = worker(life, "w1")
    active = takes(runner)
    assert active is not None
    mount = life.folder / ".tmp"
    away = mount.rename(life.folder / "away")
    active.canceled.wait = lambda _: away.rename(mount) and False  # type: ignore[method-assign] # it comes back while the runner waits

    assert runner.closing.hand_back(active) == "handed_back"

    assert life.status(spec) is JobStatus.QUEUED
    second = life.claims("w2").take("personalize")
    assert second is not None
    assert second.crashes == 0


@pytest.mark.parametrize(("patience_s", "outcome"), [(60.0, "succeeded"), (0.0, "handed_back")])
def test_an_outage_in_a_drain_costs_the_job_that_is_to_be_ended_no_attempt(
    life: Life, monkeypatch: pytest.MonkeyPatch, patience_s: float, outcome: str
) -> None:
    monkeypatch.setattr(closing, "STORAGE_RETRY_S", 0.01)
    monkeypatch.setattr(closing, "HAND_BACK_S", patience_s)
    spec = life.accept(life.personalization())
    runner = worker(life, "w1")
    active = takes(runner)
    assert active is not None
    runner._draining.set()
    tries: list[int] = []

    def make_end() -> JobEnd:
        tries.append(1)
        if len(tries) < 3:
            raise StorageUnavailableError("away")
        return life.success(active.attempt)

    assert runner.closing.commit(active, make_end) == outcome

    if outcome == "handed_back":
        second = life.claims("w2").take("personalize")
        assert second is not None
        assert (second.spec, second.crashes) == (spec, 0)
    else:
        assert life.status(spec) is JobStatus.SUCCEEDED


def test_one_nudge_is_enough_for_all_slots_that_are_free(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        life.accept(life.personalization())
    life.live.client.delete(nudges_key("personalize"))
    runner, nudges = worker(life, "w1", slots=2), []
    monkeypatch.setattr(runner, "_run", lambda _: nudges.append(life.nudges.pending("personalize")))

    runner.work("personalize")

    assert nudges == [1, 1]  # the first job passed the nudge on, the second one filled the worker


def test_every_line_of_an_attempts_log_says_job_attempt_request_and_key(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tries(_active: ActiveAttempt) -> str:
        structlog.get_logger().info("from.deep.inside")
        return "succeeded"

    spec = life.accept(life.personalization(request_id="a-request", key_id="a-key"))
    runner = worker(life, "w1")
    monkeypatch.setattr(runner, "_try", tries)
    with capture_logs(processors=[merge_contextvars]) as lines:
        runner.work("personalize")
    about = {"job": spec.id, "attempt": 1, "request_id": "a-request", "key": "a-key"}
    assert [line["event"] for line in lines] == ["attempt.started", "from.deep.inside", "attempt.ended"]
    assert all(about.items() <= line.items() for line in lines)
