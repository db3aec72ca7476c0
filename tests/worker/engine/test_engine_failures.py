"""What goes wrong stays where it went wrong."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from core.diffusion.requests import NoiseLoss, PredictNoise, Request, Routine
from tests.support.routines import edit, naive_personalize, personalize
from tests.support.tiny_backbone import Gate, TinyBackbone, prompt
from worker.engine import Engine
from worker.engine import engine as engine_module
from worker.engine.ticket import DeviceMemoryError, HandedBackError, Ticket


def submit_good(engine: Engine, backbone: Any, jobs: int = 3, steps: int = 6) -> list[Ticket[Tensor]]:
    return [
        engine.submit(personalize(prompt("a"), seed, steps), backbone=backbone, kind="personalize", name=str(seed))
        for seed in range(jobs)
    ]


def assert_good(tickets: list[Ticket[Tensor]], backbone: Any, steps: int = 6) -> None:
    for seed, ticket in enumerate(tickets):
        expected = naive_personalize(TinyBackbone(), prompt("a"), seed, steps)
        torch.testing.assert_close(ticket.result(30), expected, rtol=0, atol=1e-9)


def changed(change: Callable[[NoiseLoss], Any], at: int = 2) -> Routine[Tensor]:
    """Return a personalization whose request number `at` is changed."""
    job: Generator[Any, Any, Tensor] = personalize(prompt("a"), 9, 6)
    request = next(job)
    number = 0
    while True:
        if isinstance(request, NoiseLoss):
            request = change(request) if number == at else request
            number += 1
        try:
            request = job.send((yield request))
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]  # StopIteration is not generic


def raise_error(_: NoiseLoss) -> Request:
    raise ZeroDivisionError("the job's own mistake")


def raise_exit(_: NoiseLoss) -> Request:
    raise SystemExit(3)


@pytest.mark.parametrize(
    ("poison", "error"),
    [
        (raise_error, ZeroDivisionError),
        (raise_exit, SystemExit),
        (lambda _: "no request", TypeError),
        (lambda request: replace(request, target=request.target[:2]), RuntimeError),
        (lambda request: replace(request, noisy_latents=torch.zeros(3, 2)), RuntimeError),
        (lambda request: replace(request, noisy_latents=None), AttributeError),
        (lambda request: replace(request, conditioning=None), AttributeError),
        (lambda request: replace(request, timestep="soon"), (TypeError, ValueError)),
    ],
    ids=["raises", "exits", "no-request", "target", "shape", "no-latents", "no-conditioning", "timestep"],
)
def test_a_poisoned_job_fails_and_its_batchmates_do_not_notice(
    engine: Engine, backbone: Any, poison: Callable[[NoiseLoss], Any], error: type[BaseException]
) -> None:
    gate = Gate(backbone)
    good = submit_good(engine, backbone)
    bad = engine.submit(changed(poison), backbone=backbone, kind="personalize", name="bad")
    gate.open()
    assert_good(good, backbone)
    with pytest.raises(error):
        bad.result(30)


def test_a_call_that_raises_is_split_until_the_guilty_row_stands_alone(engine: Engine, backbone: Any) -> None:
    marker = 123.0

    def predict(latents: Tensor, *rest: Any) -> Tensor:
        if (latents == marker).any():
            raise ValueError("a row that the backbone can't take")
        return TinyBackbone.predict(backbone, latents, *rest)

    backbone.predict = predict
    gate = Gate(backbone)
    good = submit_good(engine, backbone, jobs=7)
    poison = changed(lambda request: replace(request, noisy_latents=torch.full_like(request.noisy_latents, marker)))
    bad = engine.submit(poison, backbone=backbone, kind="personalize", name="bad")
    gate.open()
    assert_good(good, backbone)
    with pytest.raises(ValueError, match="a row that the backbone can't take"):
        bad.result(30)
    assert engine.stats().ended == {"succeeded": 7, "ValueError": 1}


def test_a_row_that_is_not_finite_is_flagged_with_no_gradient_and_the_others_are_as_alone(
    engine: Engine, backbone: Any
) -> None:
    def job() -> Routine[Any]:
        latents = torch.full((4, 4, 4), torch.nan, dtype=torch.float64)
        return (yield NoiseLoss(latents, 10, prompt("a"), torch.zeros_like(latents)))

    gate = Gate(backbone)
    good = submit_good(engine, backbone)
    bad = engine.submit(job(), backbone=backbone, kind="personalize", name="bad")
    gate.open()
    assert_good(good, backbone)
    result = bad.result(30)
    assert not result.finite
    assert torch.equal(result.grad, torch.zeros_like(result.grad))


def allocate_too_much() -> None:
    torch.empty(1 << 50)


def raise_cuda_error() -> None:
    raise torch.OutOfMemoryError("CUDA out of memory")


def raise_cublas_error() -> None:
    raise RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")


def raise_memory_error() -> None:
    raise MemoryError


def exhaust(backbone: TinyBackbone, above: int, run_out: Callable[[], None] = raise_cuda_error) -> None:
    """Let calls of more than `above` rows run out of memory."""

    def before_call(_: str, size: int) -> None:
        if size > above:
            run_out()

    backbone.before_call = before_call


@pytest.mark.parametrize("run_out", [allocate_too_much, raise_cuda_error, raise_cublas_error, raise_memory_error])
def test_out_of_memory_halves_the_batch_and_everything_completes(
    engine: Engine, backbone: Any, run_out: Callable[[], None]
) -> None:
    gate = Gate(backbone)
    good = submit_good(engine, backbone, jobs=8)
    gate.wait()
    exhaust(backbone, 2, run_out)
    gate.open()
    assert_good(good, backbone)
    sizes = [size for _, size in backbone.calls[1:]]
    assert sorted(size for size in sizes if size > 2) == [4, 8]
    assert engine.stats().out_of_memory == 2


def test_after_many_full_calls_the_batch_grows_back(engine: Engine, backbone: Any) -> None:
    shortages: list[int] = []

    def run_out_once(_: str, size: int) -> None:
        if size > 4 and not shortages:
            shortages.append(size)
            raise_cuda_error()

    gate = Gate(backbone)
    good = submit_good(engine, backbone, jobs=8, steps=60)
    gate.wait()
    backbone.before_call = run_out_once
    gate.open()
    assert_good(good, backbone, steps=60)
    assert engine.stats().out_of_memory == 1
    assert ("predict", 8) in backbone.calls[-10:]


def test_a_single_row_that_does_not_fit_fails_its_job_and_no_other(engine: Engine, backbone: Any) -> None:
    other: Any = TinyBackbone()
    exhaust(other, 0)
    bad = engine.submit(personalize(prompt("a"), 1), backbone=other, kind="personalize", name="bad")
    good = submit_good(engine, backbone)
    with pytest.raises(DeviceMemoryError, match="NoiseLoss call of 1 rows does not fit into memory: CUDA out"):
        bad.result(30)
    assert_good(good, backbone)


def test_a_pinned_bucket_that_does_not_fit_is_an_error_not_a_smaller_bucket(engine: Engine, backbone: Any) -> None:
    exhaust(backbone, 2)
    bad = engine.submit(personalize(prompt("a"), 1), backbone=backbone, kind="personalize", name="bad", exact_bucket=4)
    with pytest.raises(DeviceMemoryError, match="call of 4 rows"):
        bad.result(30)
    assert {size for _, size in backbone.calls} == {4}


def test_a_bug_in_the_engine_fails_the_jobs_of_the_turn_and_the_engine_lives_on(
    engine: Engine, backbone: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> Any:
        raise LookupError("a bug")

    with monkeypatch.context() as patch:
        patch.setattr(engine_module, "pick", broken)
        with pytest.raises(LookupError, match="a bug"):
            submit_good(engine, backbone, jobs=1)[0].result(30)
    assert "engine.turn_failed" in caplog.text
    assert_good(submit_good(engine, backbone), backbone)


def test_a_job_that_fails_while_closing_is_still_handed_back(engine: Engine, backbone: Any) -> None:
    def stubborn() -> Routine[None]:
        try:
            while True:
                yield PredictNoise(torch.zeros(4, 4, 4, dtype=torch.float64), 1, prompt("a"))
        finally:
            raise OSError("while closing")

    gate = Gate(backbone)
    ticket = engine.submit(stubborn(), backbone=backbone, kind="edit", name="stubborn")
    gate.wait()
    stopper = threading.Thread(target=engine.stop)
    stopper.start()
    assert engine.stopping.wait(30)
    gate.open()
    with pytest.raises(HandedBackError):
        ticket.result(30)
    stopper.join(30)
    with pytest.raises(HandedBackError):
        engine.submit(edit("a", 1), backbone=backbone, kind="edit", name="late").result(30)
