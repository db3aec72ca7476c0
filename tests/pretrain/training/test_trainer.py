from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from pretrain.training.parallel import has_bfloat16
from pretrain.training.schedule import (
    STEPS,
    WHITE,
    Emphasis,
    draw_timesteps,
    emphasis_of,
    schedule_for,
    schedule_of,
    scheduler_of,
    weights_of,
)
from pretrain.training.trainer import Budget, Trainer
from pretrain.training.unet import TAIL, mix_tails
from pretrain.worlds import CRITTERS, MENAGERIE, choose_world


def _run(checkpoint: Path, steps: int) -> Trainer[nn.Module]:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))
    trainer: Trainer[nn.Module] = Trainer(module, checkpoint, 1e-2)

    def loss_of(_step: int, generator: torch.Generator) -> Tensor:
        rows = torch.randn(16, 4, generator=generator)
        return (module(rows) - rows.sum(1, keepdim=True)).pow(2).mean()

    trainer.train(loss_of, Budget(steps=steps, anneal=0), lambda: None)
    return trainer


def test_a_run_taken_up_again_ends_where_an_uninterrupted_one_does(tmp_path: Path) -> None:
    whole = _run(tmp_path / "whole.pt", 40)
    _run(tmp_path / "parts.pt", 25)
    parts = _run(tmp_path / "parts.pt", 40)
    assert parts.step == whole.step == 40
    for side in ("module", "average"):
        expected, found = getattr(whole, side).state_dict(), getattr(parts, side).state_dict()
        assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_averaged_weights_follow_the_trained_ones(tmp_path: Path) -> None:
    trainer = _run(tmp_path / "run.pt", 60)
    pairs = zip(trainer.module.parameters(), trainer.average.parameters(), strict=True)
    assert all(0 < (weight - average).abs().max() < 0.5 for weight, average in pairs)


def test_the_rate_is_held_and_then_falls_to_zero() -> None:
    budget = Budget(minutes=10, anneal=0.4)
    assert [budget.rate(used) for used in (0.0, 0.6, 0.8, 1.0)] == pytest.approx([1, 1, 0.5, 0])
    assert budget.used(step=7, seconds=300) == pytest.approx(0.5)


def test_a_budget_is_steps_or_minutes_but_not_both() -> None:
    with pytest.raises(ValueError, match="either steps or minutes"):
        Budget(steps=3, minutes=3)
    with pytest.raises(ValueError, match="either steps or minutes"):
        Budget()


def test_mixing_tails_leaves_every_head_alone() -> None:
    sequence, empty = torch.randn(64, 32, 8), torch.zeros(32, 8)
    mixed = mix_tails(sequence, empty, torch.Generator().manual_seed(0))
    dropped = (mixed == 0).all(2).all(1)
    assert 0 < dropped.sum() < 20
    assert torch.equal(mixed[~dropped, :-TAIL], sequence[~dropped, :-TAIL])
    own = (mixed[:, -TAIL:] == sequence[:, -TAIL:]).all(2).all(1)
    partner = (mixed[:, -TAIL:] == sequence[torch.arange(64) ^ 1, -TAIL:]).all(2).all(1)
    assert own.sum() > 15
    assert partner.sum() > 8


def test_the_menageries_noise_ends_without_a_trace_of_the_picture() -> None:
    for world, left in ((CRITTERS, 0.068), (MENAGERIE, 0.0)):
        last = schedule_of(world).add_noise(torch.ones(4, 16, 16), torch.zeros(4, 16, 16), STEPS - 1)
        assert float(last.mean()) == pytest.approx(left, abs=1e-3)


def test_a_unet_is_not_taken_for_one_of_another_schedule(tmp_path: Path) -> None:
    choose_world(tmp_path, "menagerie")
    assert schedule_for(tmp_path).ends_in_noise  # nothing is trained yet
    (tmp_path / "unet").mkdir()
    with pytest.raises(ValueError, match=r"predicts epsilon, and this world's v_prediction at zero SNR: remove it"):
        schedule_for(tmp_path)
    scheduler_of(MENAGERIE).save_pretrained(tmp_path / "scheduler")
    assert schedule_for(tmp_path).ends_in_noise


def test_an_error_of_the_noise_counts_what_it_does_to_v() -> None:
    noise, v = (schedule_of(world) for world in (CRITTERS, MENAGERIE))
    middle = 500  # where neither end is capped
    assert float(weights_of(noise)[middle]) == pytest.approx(1 / float(noise.alphas_cumprod[middle]), rel=1e-4)
    assert float(weights_of(v)[middle]) == 1
    assert float(weights_of(v)[10]) < 0.1
    assert float(weights_of(v)[-1]) == 1  # where its SNR is zero


def test_timesteps_are_drawn_from_the_whole_schedule() -> None:
    drawn = draw_timesteps(4000, torch.Generator().manual_seed(0))
    assert drawn.min() >= 0
    assert drawn.max() < STEPS
    assert 0.3 < (drawn < STEPS // 2).float().mean() < 0.7
    earlier = draw_timesteps(4000, torch.Generator().manual_seed(0), Emphasis(middle=0.2))
    assert earlier.float().mean() < drawn.float().mean() - 40
    assert emphasis_of(schedule_of(MENAGERIE)) is WHITE
    assert emphasis_of(schedule_of(CRITTERS)) == Emphasis()


@pytest.mark.parametrize(
    ("capabilities", "has"),
    [
        ({"avx2": True, "avx512_bf16": False, "amx_bf16": False}, False),
        ({"avx512_bf16": False, "amx_bf16": True}, True),
        ({"neon": True, "bf16": True}, True),
        ({"avx512_bf16": True}, True),
    ],
)
def test_bfloat16_is_used_where_the_cpu_has_it(
    monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, bool], has: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    assert has_bfloat16() is has


def test_more_of_the_timesteps_may_come_from_where_noise_is_all() -> None:
    usual, late = (draw_timesteps(4000, torch.Generator().manual_seed(0), Emphasis(late=share)) for share in (0.0, 0.5))
    assert ((late >= 900) & (late < STEPS)).float().mean() > 0.5
    assert (usual >= 900).float().mean() < 0.2
    assert torch.equal(late[late < 900], usual[late < 900]), "the others are as they were"
