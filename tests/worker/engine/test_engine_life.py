"""Cancellation, deadlines, hand-back, reports; who goes next, and who shares a batch with whom."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from core.diffusion.requests import EncodeImage, EncodePrompt, LossAndGrad, NoiseLoss, PredictNoise, Report, Routine
from tests.support.routines import edit, naive_personalize, personalize
from tests.support.tiny_backbone import Gate, TinyBackbone, prompt
from worker.engine import Engine
from worker.engine import run as running_module
from worker.engine.ticket import CancelReason, DeadlineExceededError, HandedBackError, JobCanceledError, Ticket


def test_a_cancel_closes_the_generator_within_one_call(engine: Engine, backbone: Any) -> None:
    closed = threading.Event()

    def job() -> Routine[Any]:
        try:
            return (yield from personalize(prompt("a"), 1, steps=1000))
        finally:
            closed.set()

    gate = Gate(backbone)
    ticket = engine.submit(job(), backbone=backbone, kind="personalize", name="a")
    gate.wait()
    gate.let_one_pass()
    gate.wait()
    ticket.cancel()
    gate.open()
    with pytest.raises(JobCanceledError, match="job a was canceled"):
        ticket.result(30)
    assert closed.is_set()
    assert backbone.count() == 2


def test_a_cancel_of_one_job_lets_the_others_of_its_batch_go_on(engine: Engine, backbone: Any) -> None:
    gate = Gate(backbone)
    tickets = [
        engine.submit(personalize(prompt("a"), seed), backbone=backbone, kind="personalize", name=str(seed))
        for seed in range(3)
    ]
    for _ in range(3):
        gate.wait()
        gate.let_one_pass()
    gate.wait()
    tickets[1].cancel()
    gate.open()
    with pytest.raises(JobCanceledError):
        tickets[1].result(30)
    for seed in (0, 2):
        expected = naive_personalize(backbone, prompt("a"), seed)
        torch.testing.assert_close(tickets[seed].result(30), expected, rtol=0, atol=1e-9)


def test_a_deadline_acts_within_one_call(engine: Engine, backbone: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(running_module, "time", SimpleNamespace(monotonic=lambda: clock.now))
    gate = Gate(backbone)
    job = personalize(prompt("a"), 1, steps=1000)
    ticket = engine.submit(job, backbone=backbone, kind="personalize", name="a", deadline=200.0)
    gate.wait()
    gate.let_one_pass()
    gate.wait()
    clock.now = 200.0
    gate.open()
    with pytest.raises(DeadlineExceededError):
        ticket.result(30)
    assert backbone.count() == 2


def test_stopping_hands_back_what_runs_and_what_has_just_arrived_with_its_last_checkpoint(backbone: Any) -> None:
    engine = Engine(num_threads=1)
    engine.start()
    gate = Gate(backbone)
    first = engine.submit(personalize(prompt("a"), 1, 1000), backbone=backbone, kind="personalize", name="first")
    for _ in range(3):
        gate.wait()
        gate.let_one_pass()
    gate.wait()
    second = engine.submit(edit("b", 1), backbone=backbone, kind="edit", name="second")
    stopper = threading.Thread(target=engine.stop)
    stopper.start()
    assert engine.stopping.wait(30)
    gate.open()
    stopper.join(30)
    for ticket in (first, second):
        with pytest.raises(HandedBackError):
            ticket.result(0)
    (report,) = first.reports()
    assert report.checkpoint is not None
    assert (report.step, backbone.count()) == (3, 4)


def test_an_engine_that_never_started_or_has_stopped_hands_back_what_it_gets(backbone: Any) -> None:
    engine = Engine()
    early = engine.submit(edit("a", 1), backbone=backbone, kind="edit", name="early")
    engine.stop()
    late = engine.submit(edit("a", 1), backbone=backbone, kind="edit", name="late")
    for ticket in (early, late):
        with pytest.raises(HandedBackError):
            ticket.result(0)


def test_a_cancel_for_hand_back_is_told_as_such_and_the_first_reason_stands(engine: Engine, backbone: Any) -> None:
    gate = Gate(backbone)
    ticket = engine.submit(edit("a", 1), backbone=backbone, kind="edit", name="a")
    gate.wait()
    ticket.cancel(CancelReason.HANDED_BACK)
    ticket.cancel()
    gate.open()
    with pytest.raises(HandedBackError):
        ticket.result(30)


def test_reports_arrive_in_order_and_end_with_the_job(engine: Engine, backbone: Any) -> None:
    ticket = engine.submit(personalize(prompt("a"), 1, steps=6), backbone=backbone, kind="personalize", name="a")
    reports = list(ticket.reports())
    assert [report.step for report in reports] == sorted({report.step for report in reports})
    last = reports[-1]
    assert (last.step, last.steps) == (6, 6)
    assert last.checkpoint is not None
    assert torch.equal(last.checkpoint["tail"], ticket.result(0))


def test_a_late_reader_gets_the_newest_checkpoint_and_the_newest_progress() -> None:
    ticket: Ticket[None] = Ticket(kind="personalize", name="a")
    for step in range(1, 8):
        ticket.report(Report(step, 7, checkpoint={} if step in (2, 4) else None))
    ticket.succeed(None)
    assert [report.step for report in ticket.reports()] == [4, 7]


def test_a_reader_that_waits_is_woken_by_a_failure_too(engine: Engine, backbone: Any) -> None:
    def job() -> Routine[None]:
        yield Report(1, 2)
        raise ValueError("no")

    ticket = engine.submit(job(), backbone=backbone, kind="edit", name="a")
    assert [report.step for report in ticket.reports()] == [1]
    with pytest.raises(ValueError, match="no"):
        ticket.result(0)


def test_a_result_that_is_not_there_yet_is_a_timeout(engine: Engine, backbone: Any) -> None:
    gate = Gate(backbone)
    ticket = engine.submit(edit("a", 1), backbone=backbone, kind="edit", name="a")
    with pytest.raises(TimeoutError, match="job a still runs"):
        ticket.result(0)
    gate.open()
    ticket.result(30)


def test_an_edit_behind_forty_personalizations_is_in_the_next_call(engine: Engine, backbone: Any) -> None:
    gate = Gate(backbone)
    crowd = [
        engine.submit(personalize(prompt("a"), seed, 3), backbone=backbone, kind="personalize", name=str(seed))
        for seed in range(40)
    ]
    for _ in range(12):
        gate.wait()
        gate.let_one_pass()
    gate.wait()
    before = len(backbone.calls)
    ticket = engine.submit(edit("a dog", 1), backbone=backbone, kind="edit", name="edit")
    gate.open()
    ticket.result(30)
    assert backbone.calls[before] == ("encode_prompt", 2)
    for other in crowd:
        other.result(30)
    assert engine.stats().ended == {"succeeded": 41}


def test_eight_edits_at_once_run_as_batches(engine: Engine, backbone: Any) -> None:
    gate = Gate(backbone)
    tickets = [
        engine.submit(edit(f"dog {seed}", seed, steps=10), backbone=backbone, kind="edit", name=str(seed))
        for seed in range(8)
    ]
    gate.open()
    for ticket in tickets:
        ticket.result(30)
    stats = engine.stats()
    assert stats.mean_batch_size > 4
    assert stats.unet.rows == 8 * 10 * 2
    assert stats.seconds["edit"] >= stats.unet.seconds > 0


def test_the_rows_of_an_alone_job_share_a_batch_with_nobody(engine: Engine, backbone: Any) -> None:
    gate = Gate(backbone)
    alone = [
        engine.submit(personalize(prompt("a"), seed), backbone=backbone, kind="personalize", name="alone", alone=True)
        for seed in range(2)
    ]
    others = [
        engine.submit(personalize(prompt("a"), seed), backbone=backbone, kind="personalize", name="other")
        for seed in range(2)
    ]
    gate.open()
    for seed, ticket in [*enumerate(alone), *enumerate(others)]:
        expected = naive_personalize(backbone, prompt("a"), seed)
        torch.testing.assert_close(ticket.result(30), expected, rtol=0, atol=1e-9)
    assert [size for _, size in backbone.calls].count(1) >= 2 * 5
    assert max(size for _, size in backbone.calls) == 2


def test_a_prompt_is_encoded_once_for_all_jobs(engine: Engine, backbone: Any) -> None:
    for _ in range(3):
        engine.submit(edit("a dog", 1), backbone=backbone, kind="edit", name="a").result(30)
    assert backbone.count("encode_prompt") == 1
    assert engine.prompts.hits == 4


def test_pictures_of_several_jobs_are_encoded_in_one_call(engine: Engine, backbone: Any) -> None:
    def encode(value: float) -> Routine[Any]:
        yield EncodePrompt("a")
        return (yield EncodeImage(torch.full((3, 4, 4), value, dtype=torch.float64)))

    gate = Gate(backbone)
    tickets = [
        engine.submit(encode(value), backbone=backbone, kind="personalize", name="a") for value in (0.5, -1.0, 2.0)
    ]
    gate.open()
    for value, ticket in zip((0.5, -1.0, 2.0), tickets, strict=True):
        mean, std = ticket.result(30)
        assert mean.unique().tolist() == [value]
        assert std.unique().tolist() == [abs(value)]
    assert len([size for method, size in backbone.calls if method == "encode_image"]) < 3


def test_the_tick_stays_fresh_while_the_engine_has_nothing_to_do(engine: Engine) -> None:
    before = engine.pace.last_tick
    wait = threading.Event()
    while engine.pace.last_tick <= before:
        wait.wait(0.05)
    assert engine.stats().running == 0


def test_in_half_precision_the_gradient_of_a_loss_too_small_for_the_format_survives(engine: Engine) -> None:
    shape = (4, 32, 32)
    latents, difference = torch.randn(2, *shape, generator=torch.Generator().manual_seed(0))

    def job() -> Routine[LossAndGrad]:
        conditioning = prompt("a", torch.float32)
        prediction = yield PredictNoise(latents, 500, conditioning)
        result: LossAndGrad = yield NoiseLoss(latents, 500, conditioning, prediction + 1e-4 * difference)
        return result

    half, full = (
        engine.submit(job(), backbone=backbone, kind="personalize", name="a").result(30)
        for backbone in (tiny(torch.float16), tiny(torch.float32))
    )
    assert half.grad.dtype == torch.float32
    assert half.loss == pytest.approx(full.loss, rel=1e-3)
    assert float((half.grad - full.grad).norm()) < 0.02 * float(full.grad.norm())


def tiny(dtype: torch.dtype) -> Any:
    return TinyBackbone(dtype)
