"""A device that is lost, or short of memory: what becomes of those in the call, beside it, and who comes later."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from core.diffusion.requests import NoiseLoss, PredictNoise, Routine
from tests.support.routines import edit, naive_edit, naive_personalize, personalize
from tests.support.tiny_backbone import Gate, TinyBackbone, prompt
from worker.engine import DeviceLostError, Engine
from worker.engine import engine as engine_module
from worker.engine.ticket import DeviceMemoryError, Ticket

SHAPE = (4, 2, 2)  # of jobs whose rows share no call with the others'
ILLEGAL_ACCESS = "CUDA error: an illegal memory access was encountered"
ECC = "CUDA error: uncorrectable ECC error encountered"
NO_HANDLE = "CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`"


def submit(engine: Engine, backbone: Any, seed: int, steps: int = 6, **more: Any) -> Ticket[Tensor]:
    job = personalize(prompt("a"), seed, steps, **more)
    return engine.submit(job, backbone=backbone, kind="personalize", name=str(seed))


def assert_as_alone(ticket: Ticket[Tensor], seed: int, steps: int = 6) -> None:
    expected = naive_personalize(TinyBackbone(), prompt("a"), seed, steps)
    torch.testing.assert_close(ticket.result(30), expected, rtol=0, atol=1e-9)


def raising(error: Exception, calls: int | None = None) -> Callable[..., None]:
    """Return a `before_call` that raises at its first `calls` calls, or at all."""
    left = [calls]

    def before_call(*_: object) -> None:
        if left[0] is None or left[0] > 0:
            left[0] = None if left[0] is None else left[0] - 1
            raise error

    return before_call


def lost(ticket: Ticket[Any]) -> DeviceLostError:
    with pytest.raises(DeviceLostError) as raised:
        ticket.result(30)
    return raised.value


@pytest.mark.parametrize(("text", "suspects"), [(ILLEGAL_ACCESS, True), (ECC, False)])
def test_when_the_device_is_lost_everybody_is_handed_back_and_only_those_in_the_call_are_suspects(
    engine: Engine, backbone: Any, text: str, suspects: bool
) -> None:
    gate = Gate(backbone)
    submit(engine, backbone, 0, steps=1)
    gate.wait()
    in_call = [submit(engine, backbone, seed) for seed in (1, 2)]
    beside = [submit(engine, backbone, seed, shape=SHAPE) for seed in (3, 4)]
    backbone.before_call = raising(torch.AcceleratorError(text), calls=1)
    gate.open()

    found = [lost(ticket).suspect for ticket in in_call + beside]

    assert found.count(True) == (2 if suspects else 0)
    assert not any(found[2:]) or not any(found[:2])
    assert backbone.count() == 2  # nothing was tried again
    late = lost(submit(engine, backbone, 5))
    assert text in late.detail
    assert not late.suspect
    assert not engine.is_stuck(300)
    engine.stop()


def test_those_who_are_handed_back_from_a_lost_device_keep_their_last_checkpoint(engine: Engine, backbone: Any) -> None:
    gate = Gate(backbone)
    ticket = submit(engine, backbone, 1)
    for _ in range(3):
        gate.wait()
        gate.let_one_pass()
    gate.wait()
    backbone.before_call = raising(torch.AcceleratorError(ILLEGAL_ACCESS))
    gate.open()
    lost(ticket)
    newest = list(ticket.reports())[-1]
    assert newest.checkpoint is not None
    assert newest.step >= 3


def test_a_device_that_is_found_lost_between_calls_is_lost_too(
    engine: Engine, backbone: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> Any:
        raise torch.AcceleratorError(ILLEGAL_ACCESS)

    monkeypatch.setattr(engine_module, "pick", broken)
    assert not lost(submit(engine, backbone, 1)).suspect


def test_a_library_that_can_not_begin_once_is_only_short_of_memory(engine: Engine, backbone: Any) -> None:
    gate = Gate(backbone)
    submit(engine, backbone, 0, steps=1)
    gate.wait()
    tickets = [submit(engine, backbone, seed) for seed in range(8)]
    backbone.before_call = raising(RuntimeError(NO_HANDLE), calls=2)
    gate.open()
    for seed, ticket in enumerate(tickets):
        assert_as_alone(ticket, seed)
    assert engine.stats().out_of_memory == 2


def test_a_library_that_never_begins_is_a_lost_device(engine: Engine, backbone: Any) -> None:
    backbone.before_call = raising(RuntimeError(NO_HANDLE))
    assert lost(submit(engine, backbone, 1)).suspect


def test_a_row_that_does_not_fit_is_tried_again_alone_at_once(engine: Engine, backbone: Any) -> None:
    backbone.before_call = raising(torch.OutOfMemoryError("CUDA out of memory"), calls=1)
    assert_as_alone(submit(engine, backbone, 1), 1)
    assert backbone.calls[:2] == [("predict", 1), ("predict", 1)]


class Full:
    """Memory that others hold: calls of latents of one shape run out while `others` are there."""

    def __init__(self, backbone: TinyBackbone, others: Callable[[], bool]) -> None:
        self.refused = 0
        plain = backbone.predict

        def predict(latents: Tensor, *rest: Any) -> Tensor:
            if latents.shape[1:] == SHAPE and others():
                self.refused += 1
                raise torch.OutOfMemoryError("CUDA out of memory")
            return plain(latents, *rest)

        backbone.predict = predict  # type: ignore[method-assign]


def test_a_row_that_does_not_fit_beside_others_waits_for_the_first_of_them_to_end(
    engine: Engine, backbone: Any
) -> None:
    def both_wait() -> Routine[Tensor]:
        latents = torch.zeros(SHAPE, dtype=torch.float64)
        cond, _ = yield PredictNoise(latents, 1, prompt("a")), PredictNoise(latents, 2, prompt("b"))
        result: Tensor = cond
        return result

    gate = Gate(backbone)
    other = submit(engine, backbone, 1, steps=20)
    full = Full(backbone, lambda: not other.done)
    tight = engine.submit(both_wait(), backbone=backbone, kind="edit", name="tight")
    gate.open()

    assert tight.result(30).shape == SHAPE
    assert_as_alone(other, 1, steps=20)
    assert full.refused == 5  # both in one call, then each alone, twice


def test_a_row_that_does_not_fit_even_then_fails_and_the_others_do_not_notice(engine: Engine, backbone: Any) -> None:
    gate = Gate(backbone)
    others = [submit(engine, backbone, seed, steps=8) for seed in range(3)]
    Full(backbone, lambda: True)
    tight = [submit(engine, backbone, seed, shape=SHAPE) for seed in range(2)]
    gate.open()
    for ticket in tight:
        with pytest.raises(DeviceMemoryError, match="NoiseLoss call of 1 rows does not fit"):
            ticket.result(30)
    for seed, ticket in enumerate(others):
        assert_as_alone(ticket, seed, steps=8)


def test_rows_of_which_none_fits_do_not_wait_for_one_another(engine: Engine, backbone: Any) -> None:
    gate = Gate(backbone)
    submit(engine, backbone, 0, steps=1)
    gate.wait()
    Full(backbone, lambda: True)
    tight = [submit(engine, backbone, seed, shape=SHAPE) for seed in range(3)]
    gate.open()
    for ticket in tight:
        with pytest.raises(DeviceMemoryError):
            ticket.result(30)


def test_a_job_that_waits_for_memory_can_be_canceled(engine: Engine, backbone: Any) -> None:
    gate = Gate(backbone)
    other = submit(engine, backbone, 1, steps=500)
    full = Full(backbone, lambda: not other.done)
    tight = submit(engine, backbone, 2, shape=SHAPE)
    while full.refused < 2:
        gate.wait()
        gate.let_one_pass()
    tight.cancel()
    gate.open()
    with pytest.raises(Exception, match="job 2 was canceled"):
        tight.result(30)
    other.cancel()
    assert engine.stats().waiting_rows <= 1


def test_edits_in_a_call_that_ran_out_of_memory_equal_edits_alone(engine: Engine, backbone: Any) -> None:
    gate = Gate(backbone)
    edits = [engine.submit(edit(f"dog {n}", n), backbone=backbone, kind="edit", name=str(n)) for n in range(4)]
    gate.wait()
    backbone.before_call = raising(torch.AcceleratorError("CUDA error: out of memory"), calls=3)
    gate.open()
    for seed, ticket in enumerate(edits):
        torch.testing.assert_close(ticket.result(30), naive_edit(backbone, f"dog {seed}", seed), rtol=0, atol=1e-9)


def test_a_call_that_exits_does_not_end_the_engines_thread(engine: Engine, backbone: Any) -> None:
    def job() -> Routine[Any]:
        return (yield NoiseLoss(torch.zeros(SHAPE, dtype=torch.float64), 1, prompt("a"), torch.zeros(SHAPE)))

    backbone.before_call = raising(SystemExit(3))  # type: ignore[arg-type]
    with pytest.raises(SystemExit):
        engine.submit(job(), backbone=backbone, kind="personalize", name="exits").result(30)
    backbone.before_call = lambda *_: None
    assert_as_alone(submit(engine, backbone, 1), 1)


def test_an_engine_whose_thread_has_died_is_stuck_and_one_that_was_stopped_is_not(
    backbone: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, died = Engine(num_threads=1), threading.Event()
    assert not engine.is_stuck(300)

    def die(_: object) -> None:
        died.set()
        raise RuntimeError("a bug in what contains bugs")

    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    monkeypatch.setattr(engine, "_turn", lambda: die(None))
    monkeypatch.setattr(engine, "_contain", die)
    engine.start()
    assert died.wait(30)
    engine._thread.join(30)
    assert engine.is_stuck(300)
    engine.stop()
    assert not engine.is_stuck(300)
