"""Equal alone or in company."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from core.diffusion.backbone import Backbone
from core.diffusion.requests import EncodePrompt, LossAndGrad, NoiseLoss, Routine
from core.errors import InvalidInputError
from tests.support.routines import draw, edit, naive_edit, naive_personalize, personalize
from tests.support.tiny_backbone import Gate, TinyBackbone, prompt
from worker.engine import Engine
from worker.engine.ticket import Ticket
from worker.model_cache import ModelCache


def test_a_personalization_in_company_equals_the_naive_loop_with_autograd_and_torch_adam(
    engine: Engine, backbone: Any
) -> None:
    gate = Gate(backbone)
    source = [prompt(f"a dog number {seed}") for seed in range(6)]
    tickets = [
        engine.submit(personalize(source[seed], seed, steps=12), backbone=backbone, kind="personalize", name=str(seed))
        for seed in range(6)
    ]
    gate.open()
    for seed, ticket in enumerate(tickets):
        expected = naive_personalize(backbone, source[seed], seed, steps=12)
        torch.testing.assert_close(ticket.result(30), expected, rtol=0, atol=1e-9)
    assert engine.stats().requests["NoiseLoss"].mean_batch_size > 4


def test_the_gradient_of_a_row_in_company_is_that_of_its_own_mean_squared_error(engine: Engine, backbone: Any) -> None:
    def one_loss(seed: int) -> Routine[LossAndGrad]:
        result: LossAndGrad = yield request_of(seed)
        return result

    def request_of(seed: int) -> NoiseLoss:
        ((latents, target, timestep),) = draw(seed, 1, (4, 4, 4), torch.float64)
        return NoiseLoss(latents, timestep, prompt(f"p{seed}"), target)

    gate = Gate(backbone)
    tickets = [engine.submit(one_loss(seed), backbone=backbone, kind="personalize", name="a") for seed in range(8)]
    gate.open()
    for seed, ticket in enumerate(tickets):
        request, result = request_of(seed), ticket.result(30)
        sequence = request.conditioning.sequence[None].requires_grad_()
        prediction = backbone.unet(request.noisy_latents[None], torch.tensor([request.timestep]), sequence)
        loss = torch.nn.functional.mse_loss(prediction, request.target[None])
        (grad,) = torch.autograd.grad(loss, sequence)
        assert result.loss == pytest.approx(float(loss.detach()), abs=1e-12)
        torch.testing.assert_close(result.grad, grad[0], rtol=0, atol=1e-12)
    assert max(size for _, size in backbone.calls) > 1


def test_edits_in_company_of_personalizations_equal_edits_alone(engine: Engine, backbone: Any) -> None:
    gate = Gate(backbone)
    others = [
        engine.submit(personalize(prompt("a"), seed, steps=9), backbone=backbone, kind="personalize", name="other")
        for seed in range(3)
    ]
    edits = [
        engine.submit(edit(f"dog {seed}", seed), backbone=backbone, kind="edit", name=str(seed)) for seed in range(5)
    ]
    gate.open()
    for seed, ticket in enumerate(edits):
        torch.testing.assert_close(ticket.result(30), naive_edit(backbone, f"dog {seed}", seed), rtol=0, atol=1e-9)
    for seed, ticket in enumerate(others):
        expected = naive_personalize(backbone, prompt("a"), seed, steps=9)
        torch.testing.assert_close(ticket.result(30), expected, rtol=0, atol=1e-9)


@pytest.fixture(scope="module")
def critters() -> Iterator[Backbone]:
    with ModelCache({"critters": str(Path(__file__).parents[3] / "models" / "critters")}).use("critters") as backbone:
        yield backbone


def submit_to_critters(
    engine: Engine, critters: Backbone, seed: int, steps: int, exact_bucket: int | None = None
) -> Ticket[torch.Tensor]:
    source = critters.encode_prompt(["a standing dog"])[0]
    job = personalize(source, seed, steps=steps, lr=5e-3, shape=critters.latent_shape)
    return engine.submit(job, backbone=critters, kind="personalize", name=str(seed), exact_bucket=exact_bucket)


def test_on_the_embedded_model_a_tail_learned_in_company_equals_the_tail_learned_alone(
    engine: Engine, critters: Backbone
) -> None:
    alone = submit_to_critters(engine, critters, seed=0, steps=20).result(120)
    first, second = (submit_to_critters(engine, critters, seed, steps=20) for seed in range(2))
    torch.testing.assert_close(first.result(120), alone, rtol=0, atol=1e-4)
    assert not torch.allclose(second.result(120), alone, atol=1e-2)
    assert engine.stats().requests["NoiseLoss"].mean_batch_size > 1.2


def test_on_the_embedded_model_a_pinned_bucket_makes_it_bitwise_equal(engine: Engine, critters: Backbone) -> None:
    alone = submit_to_critters(engine, critters, seed=0, steps=4, exact_bucket=2).result(120)
    tickets = [submit_to_critters(engine, critters, seed, steps=4, exact_bucket=2) for seed in (1, 0)]
    assert torch.equal(tickets[1].result(120), alone)
    assert engine.stats().requests["NoiseLoss"].mean_batch_size > 1


def test_joining_in_the_middle_changes_nothing(engine: Engine, backbone: Any) -> None:
    gate = Gate(backbone)
    first = engine.submit(personalize(prompt("a"), 1, steps=10), backbone=backbone, kind="personalize", name="first")
    for _ in range(4):
        gate.wait()
        gate.let_one_pass()
    gate.wait()
    second = engine.submit(personalize(prompt("b"), 2, steps=4), backbone=backbone, kind="personalize", name="second")
    gate.open()
    torch.testing.assert_close(first.result(30), naive_personalize(backbone, prompt("a"), 1, 10), rtol=0, atol=1e-9)
    torch.testing.assert_close(second.result(30), naive_personalize(backbone, prompt("b"), 2, 4), rtol=0, atol=1e-9)
    assert ("predict", 2) in backbone.calls


def test_at_a_pinned_bucket_a_job_is_bitwise_equal_in_any_company(engine: Engine) -> None:
    def run(company: int) -> torch.Tensor:
        backbone: Any = TinyBackbone(torch.float32)
        gate = Gate(backbone)
        tickets = [
            engine.submit(
                personalize(prompt(f"p{seed}", torch.float32), seed, steps=20),
                backbone=backbone,
                kind="personalize",
                name=str(seed),
                exact_bucket=8,
            )
            for seed in reversed(range(company + 1))
        ]
        gate.open()
        results = [ticket.result(30) for ticket in tickets]
        assert {size for _, size in backbone.calls} == {8}
        return results[-1]

    alone = run(0)
    assert torch.equal(alone, run(3))
    assert torch.equal(alone, run(7))


def test_rows_of_other_shapes_and_backbones_never_share_a_call(engine: Engine, backbone: Any) -> None:
    other: Any = TinyBackbone(seed=1)
    gate = Gate(backbone)
    small = engine.submit(
        personalize(prompt("a"), 1, shape=(4, 2, 2)), backbone=backbone, kind="personalize", name="small"
    )
    large = engine.submit(personalize(prompt("a"), 1), backbone=backbone, kind="personalize", name="large")
    elsewhere = engine.submit(personalize(prompt("a"), 1), backbone=other, kind="personalize", name="elsewhere")
    gate.open()
    assert small.result(30).shape == large.result(30).shape
    torch.testing.assert_close(elsewhere.result(30), naive_personalize(other, prompt("a"), 1), rtol=0, atol=1e-9)
    assert {size for _, size in backbone.calls + other.calls} == {1}


def test_padding_rows_do_not_leak(engine: Engine, backbone: Any) -> None:
    gate = Gate(backbone)
    tickets = [
        engine.submit(personalize(prompt("a"), seed), backbone=backbone, kind="personalize", name=str(seed))
        for seed in range(4)
    ]
    gate.wait()
    tickets[3].cancel()
    gate.open()
    for seed, ticket in enumerate(tickets[:3]):
        torch.testing.assert_close(ticket.result(30), naive_personalize(backbone, prompt("a"), seed), rtol=0, atol=1e-9)
    assert engine.stats().requests["NoiseLoss"].padded_rows > 0


@pytest.mark.parametrize("option", [{"exact_bucket": 3}, {"exact_bucket": 16}])
def test_a_bucket_that_the_engine_has_not_got_is_refused(engine: Engine, backbone: Any, option: Any) -> None:
    with pytest.raises(InvalidInputError, match=r"exact_bucket is .* power of two up to 8"):
        engine.submit(edit("a", 1), backbone=backbone, kind="edit", name="a", **option)


def test_a_batch_limit_that_is_no_bucket_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="max_batch is 12"):
        Engine(max_batch=12)


def test_the_engines_thread_has_the_cores_and_later_threads_do_their_operations_alone(backbone: Any) -> None:
    seen: list[int] = []

    def job() -> Routine[int]:
        yield EncodePrompt("a")
        return torch.get_num_threads()

    engine = Engine(num_threads=2)
    engine.start()
    try:
        threads = engine.submit(job(), backbone=backbone, kind="edit", name="job").result(30)
        later = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
        later.start()
        later.join()
    finally:
        engine.stop()
    assert threads == 2
    assert seen == [1]
