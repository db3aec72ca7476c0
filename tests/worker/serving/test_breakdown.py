"""A worker whose device is lost gives its jobs back and ends; the heartbeat's threads outlive what they meet."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from core.config import Settings
from core.jobs.attempts import Attempt, read_attempts
from core.jobs.records import JobSpec, JobStatus
from core.live.names import again
from tests.support.job_life import MODEL_HASH, Life
from tests.support.redis_server import redis_server
from tests.support.routines import personalize
from tests.support.tiny_backbone import Gate, prompt
from worker.engine import Engine
from worker.model_cache import ModelCache
from worker.served_models import ServedModels
from worker.serving import heartbeat as heartbeat_module
from worker.serving import runner as runner_module
from worker.serving.breakdown import Breakdown
from worker.serving.heartbeat import STUCK_EXIT_CODE, Heartbeat
from worker.serving.runner import DEVICE_LOST_EXIT_CODE, Runner
from worker.serving.seat import NoSeat

ILLEGAL_ACCESS = "CUDA error: an illegal memory access was encountered"


@pytest.fixture
def life(tmp_path: Path) -> Iterator[Life]:
    with redis_server() as endpoint:
        yield Life(tmp_path / "storage", endpoint.url)


class Exit:
    """Stands in for the end of the process."""

    def __init__(self) -> None:
        self.code: int | None = None
        self._called = threading.Event()

    def __call__(self, code: int) -> None:
        self.code = self.code or code
        self._called.set()

    def wait(self) -> int | None:
        assert self._called.wait(30)
        return self.code


def worker(life: Life, engine: Engine, load: Callable[[str, str], Any], ended: Exit) -> Runner:
    settings = Settings(_env_file=None, personalize_slots=4, edit_slots=1)
    models = ServedModels(ModelCache({"critters": "/"}, load=load))
    models.add("critters", MODEL_HASH)
    runner = Runner(settings, life.claims("w1"), engine, models, seat=NoSeat())
    runner.breakdown = Breakdown(runner._hand_back_all, lambda: len(runner._active), ended)
    return runner


def in_threads(runner: Runner, count: int) -> list[threading.Thread]:
    threads = [threading.Thread(target=runner.work, args=("personalize",)) for _ in range(count)]
    for thread in threads:
        thread.start()
    return threads


def attempts_lost(life: Life, spec: JobSpec) -> int:
    """Return what the next attempt counts as crashes."""
    attempt = life.claims("w2").take("personalize") or life.claims("w2").take(again("personalize"))
    assert isinstance(attempt, Attempt)
    assert attempt.spec == spec
    return attempt.crashes


def test_a_lost_device_gives_back_who_was_beside_the_call_and_leaves_the_others_to_their_leases(
    life: Life, engine: Engine, backbone: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work_for(attempt: Attempt, *_: object) -> Any:
        shape = (4, 4, 4) if attempt.spec == in_call else (4, 2, 2)
        return SimpleNamespace(routine=lambda: personalize(prompt("a"), 1, steps=3000, shape=shape))

    monkeypatch.setattr(runner_module, "work_for", work_for)
    in_call = life.accept(life.personalization())
    backbone.hash = MODEL_HASH
    gate, ended = Gate(backbone), Exit()
    runner = worker(life, engine, lambda *_: backbone, ended)
    threads = in_threads(runner, 1)
    gate.wait()
    beside = life.accept(life.personalization())
    threads += in_threads(runner, 1)
    while engine.stats().running < 2:
        gate.let_one_pass()
        gate.wait()

    def lose(*_: object) -> None:
        raise torch.AcceleratorError(ILLEGAL_ACCESS)

    backbone.before_call = lose
    gate.open()

    assert ended.wait() == DEVICE_LOST_EXIT_CODE
    for thread in threads:
        thread.join(30)
    assert runner._active == {}
    status = {life.status(spec): spec for spec in (beside, in_call)}
    assert set(status) == {JobStatus.QUEUED, JobStatus.RUNNING}
    assert attempts_lost(life, status[JobStatus.QUEUED]) == 0
    suspect = status[JobStatus.RUNNING]
    assert read_attempts(life.storage, suspect.id).crashes == 1


def test_a_device_that_is_lost_while_a_model_is_loaded_costs_nobody_an_attempt(life: Life, engine: Engine) -> None:
    def load(*_: object) -> Any:
        raise torch.AcceleratorError(ILLEGAL_ACCESS)

    spec, ended = life.accept(life.personalization()), Exit()
    worker(life, engine, load, ended).work("personalize")
    assert ended.wait() == DEVICE_LOST_EXIT_CODE
    assert life.status(spec) is JobStatus.QUEUED
    assert attempts_lost(life, spec) == 0


def test_the_process_ends_though_something_is_never_handed_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.serving.breakdown.HAND_BACK_S", 0.0)
    ended = Exit()
    breakdown = Breakdown(lambda: None, lambda: 1, ended)
    for _ in range(3):
        breakdown.begin("lost", DEVICE_LOST_EXIT_CODE)
    assert ended.wait() == DEVICE_LOST_EXIT_CODE


class Beats:
    """A heartbeat over stand-ins: what it meets is the point."""

    def __init__(self, life: Life, engine: Any) -> None:
        self.canceled: list[str] = []
        self.met: list[str] = []
        self.heard = threading.Event()
        runner: Any = SimpleNamespace(engine=engine, attempts=list, cancel=self.cancel)
        self.heartbeat = Heartbeat(runner, life.claims("w1"), every_s=0.01, stall_s=300, describe=dict)

    def cancel(self, job_id: str) -> None:
        if job_id == "trouble":
            self.met.append(job_id)
            raise ZeroDivisionError("a bug in what a cancellation does")
        self.canceled.append(job_id)
        self.heard.set()


def publish_until(life: Life, told: str, done: Callable[[], bool]) -> None:
    """Publish a cancellation until somebody has heard it: who is not subscribed yet hears nothing."""
    tick = threading.Event()
    while not done():
        life.live.client.publish(heartbeat_module.CANCELED, told)
        tick.wait(0.05)


def test_the_thread_that_hears_cancellations_outlives_any_exception(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat_module, "RETRY_S", 0.01)
    beats = Beats(life, SimpleNamespace(is_stuck=lambda _: False))
    beats.heartbeat.start()
    try:
        publish_until(life, "trouble", lambda: bool(beats.met))
        publish_until(life, "j1", beats.heard.is_set)
    finally:
        beats.heartbeat.stop()
    assert set(beats.canceled) == {"j1"}


def test_a_stuck_engine_ends_the_process_and_a_heartbeat_that_fails_does_not_end_the_heartbeat(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[Any] = [ZeroDivisionError("a bug"), False, True]

    def is_stuck(_: float) -> bool:
        answer = answers.pop(0) if answers else True
        if isinstance(answer, Exception):
            raise answer
        return bool(answer)

    ended = Exit()
    monkeypatch.setattr(heartbeat_module.os, "_exit", ended)
    beats = Beats(life, SimpleNamespace(is_stuck=is_stuck, pace=SimpleNamespace(call=None)))
    beats.heartbeat.start()
    try:
        assert ended.wait() == STUCK_EXIT_CODE
    finally:
        beats.heartbeat.stop()
    assert answers == []
