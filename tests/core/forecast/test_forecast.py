"""When a job will end, by what workers tell and the queue in a real Redis."""

from __future__ import annotations

from typing import Any

import pytest

from core.forecast.loads import Load, ModelRates, RunningJob
from core.forecast.work import Work, work_of
from core.jobs.records import JobSpec
from core.models.parameters import EditParams, PersonalizeParams
from core.models.sweeps import Sweep
from tests.support.job_life import LONG_LEASE_S, MODEL_HASH, Life

RATES = ModelRates(
    calls={"NoiseLoss": {1: 0.1}, "AdamStep": {1: 0.0}, "PredictNoise": {2: 0.05}, "DecodeLatents": {1: 0.02}}
)


def tell(life: Life, *running: RunningJob, worker: str = "w1", slots: int = 1) -> None:
    """Say what a worker says that makes ten steps of a personalization in a second."""
    load = Load(
        at=life.clock.now_s(),
        slots={"personalize": slots, "edit": slots},
        max_batch=1,
        shares={"personalize": 1.0, "edit": 4.0},
        models={MODEL_HASH: RATES},
        running=running,
    )
    life.live.workers.beat(worker, {"models": {"critters": MODEL_HASH}}, LONG_LEASE_S)
    life.live.workers.tell(worker, load)


def learn(life: Life, steps: int = 100, **more: Any) -> JobSpec:
    return life.accept(life.personalization(personalize=PersonalizeParams(steps=steps), **more))


def eta_s(life: Life, spec: JobSpec) -> float | None:
    return life.process().store.state(spec.id).live.eta_s


def about(seconds: float) -> Any:
    return pytest.approx(seconds, abs=2)  # what this test itself takes


def test_each_job_waits_for_those_before_it_owners_in_turn(life: Life) -> None:
    tell(life)
    alice = [learn(life, owner="alice") for _ in range(3)]
    bob = learn(life, owner="bob")

    assert [eta_s(life, spec) for spec in (alice[0], bob, alice[1], alice[2])] == [
        about(10), about(20), about(30), about(40),
    ]  # fmt: skip


def test_a_second_worker_halves_the_wait(life: Life) -> None:
    tell(life)
    tell(life, worker="w2")
    jobs = [learn(life) for _ in range(4)]

    assert [eta_s(life, spec) for spec in jobs] == [about(10), about(10), about(20), about(20)]


def test_without_a_worker_nobody_knows(life: Life) -> None:
    assert eta_s(life, learn(life)) is None


def test_a_worker_that_is_gone_is_not_reckoned_with(life: Life) -> None:
    tell(life)
    life.live.workers.leave("w1")

    assert eta_s(life, learn(life)) is None


def test_of_a_running_job_its_steps_are_left(life: Life) -> None:
    spec = learn(life)
    attempt = life.claims().take("personalize")
    assert attempt is not None
    tell(life, RunningJob(id=spec.id, kind="personalize", model_hash=MODEL_HASH, work=Work(100, 1), left=60))

    assert eta_s(life, spec) == about(6)


def test_an_edit_waits_for_its_tail_too(life: Life) -> None:
    tell(life)
    tail = learn(life)
    edit = life.accept(life.edit(tail, edit=EditParams(num_inference_steps=40)))

    assert life.status(edit) == "waiting"
    assert eta_s(life, edit) == about(10 + 40 * 2 * 0.05)


def test_far_back_in_line_the_wait_goes_on_as_it_began(life: Life) -> None:
    tell(life)
    first = [learn(life, 10) for _ in range(150)]
    edit = life.accept(life.edit(first[-1], edit=EditParams(num_inference_steps=10)))

    assert eta_s(life, first[-1]) == pytest.approx(150, rel=0.05)
    assert eta_s(life, edit) == pytest.approx(151, rel=0.05)


def test_a_look_costs_the_same_with_a_long_line(life: Life) -> None:
    tell(life)

    def commands(spec: JobSpec) -> int:
        fresh = life.process()
        fresh.store.state(spec.id)  # connects, loads scripts, asks for the time
        fresh = life.process()
        before = _commands(life)
        fresh.store.state(spec.id)
        return _commands(life) - before

    jobs = [learn(life, 10) for _ in range(100)]
    with_a_hundred = commands(jobs[-1])
    jobs += [learn(life, 10) for _ in range(200)]

    assert commands(jobs[-1]) <= with_a_hundred


def _commands(life: Life) -> int:
    return sum(each["calls"] for each in life.live.client.info("commandstats").values())


def test_what_an_edit_asks_for(life: Life) -> None:
    tail = life.personalization()
    params = EditParams(num_inference_steps=20, num_images=3, guidance_scale=5)

    assert work_of(life.edit(tail, edit=params)) == Work(20, 6, 3)
    assert work_of(life.edit(tail, edit=params.model_copy(update={"strength": 0.5}))) == Work(10, 6, 3)
    assert work_of(life.edit(tail, edit=params.model_copy(update={"guidance_scale": 1.0}))) == Work(20, 3, 3)
    one = params.model_copy(update={"num_images": 1})
    sweep = Sweep(tail_scale=[0.5, 1.0, 1.5], guidance_scale=[2.0, 3.0, 4.0, 5.0])  # eight at a time
    assert work_of(life.edit(tail, edit=one, sweep=sweep)) == Work(40, 16, 12)
