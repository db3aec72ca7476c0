"""Trainings that take their pictures from a board: each moves its weights and writes them for the other stages."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from core.config import REPOSITORY
from core.diffusion.prior import load_prior
from pretrain.gpu import denoising, guessing, judging, side_by_side
from pretrain.gpu.learner import Learner
from pretrain.gpu.side_by_side import Plan, learn_unet, main
from pretrain.menagerie.judge import open_judge
from pretrain.training.unet.names import NAMES_FILE

CPU = torch.device("cpu")
ROWS = 16


def _nothing() -> None:
    """What is called between steps."""


def test_a_learner_learns_and_its_average_follows() -> None:
    torch.manual_seed(0)
    line, wanted = nn.Linear(4, 1), torch.tensor([[1.0, -2.0, 0.5, 0.0]])

    def loss_of() -> Tensor:
        rows = torch.randn(64, 4)
        error: Tensor = (line(rows) - rows @ wanted.T).square().mean()
        return error

    kept: list[int] = []
    learner = Learner(line, loss_of, 0.05, CPU)
    learner.train(3.0, 0.5, _nothing, lambda: kept.append(learner.steps), "line")
    assert kept == [learner.steps], "written in the end"
    assert float(loss_of().detach()) < 1e-2
    assert torch.allclose(learner.average.weight, wanted, atol=0.1)
    assert not learner.average.weight.requires_grad


def test_a_gradient_that_is_not_finite_spoils_nothing_and_only_such_ones_end_the_training() -> None:
    line = nn.Linear(2, 1)
    now = iter(range(1_000_000))

    def spoiled_now_and_then() -> Tensor:
        factor = float("nan") if next(now) % 20 == 19 else 1.0
        error: Tensor = (line(torch.randn(8, 2)) * factor).square().mean()
        return error

    Learner(line, spoiled_now_and_then, 1e-3, CPU).train(0.5, 0.5, _nothing, _nothing, "line")
    assert line.weight.isfinite().all()

    def always_spoiled() -> Tensor:
        error: Tensor = line(torch.ones(1, 2)).mean() * float("nan")
        return error

    nan = Learner(line, always_spoiled, 1e-3, CPU)
    with pytest.raises(
        FloatingPointError, match=r"too many gradients.*loss is nan, of 2 weights the gradient, first \['weight'"
    ):
        nan.train(1.0, 0.5, _nothing, _nothing, "line")


def test_a_training_that_comes_too_late_writes_nothing() -> None:
    line, kept = nn.Linear(2, 1), list[int]()
    learner = Learner(line, lambda: line(torch.ones(1, 2)).mean(), 1e-3, CPU)
    with pytest.raises(TimeoutError, match="line: no time is left to begin"):
        learner.train(5.0, 0.5, _nothing, lambda: kept.append(0), "line", ends=time.time() - 1)
    assert not kept
    assert learner.steps == 0
    plan = Plan(Path(), Path(), first=0, least=1, rows=2, anneal=0.5, naming=0, ends=time.time() - 1)
    with pytest.raises(TimeoutError, match="0 of 3 chunks were drawn when time was up"):
        plan.fill(lambda: 0, 3)


def test_the_unet_and_names_learn(work: Path, drawn: Path) -> None:
    encoded = denoising.Encoded(work, drawn, CPU)
    learner = denoising.learner_of(encoded, ROWS)
    before, unet = load_file(work / NAMES_FILE), load_file(work / "unet" / "diffusion_pytorch_model.safetensors")
    assert encoded.intake(1) == 1
    columns = encoded.bank.columns
    assert all(columns[name][: len(encoded.bank)].isfinite().all() for name in ("latents", "text", "looks"))
    parts = learner.module.parts.weight.detach().clone()
    learner.train(0.1, 0.5, _nothing, lambda: denoising.save_denoiser(learner.average, work), "unet")
    assert learner.steps >= 1
    assert not torch.equal(learner.module.parts.weight, parts), "what reads the parts learns, too"
    fresh = denoising.learner_of(encoded, ROWS)
    assert all(weight.isfinite().all() for weight in fresh.module.parameters())
    after = load_file(work / NAMES_FILE)
    assert any(not torch.equal(before[name], after[name]) for name in before)
    moved = load_file(work / "unet" / "diffusion_pytorch_model.safetensors")
    assert any(not torch.equal(unet[name], moved[name]) for name in unet)
    assert not list(work.glob("*.unfinished"))


def test_fused_attention_learns_the_same(work: Path, drawn: Path) -> None:
    encoded = denoising.Encoded(work, drawn, CPU)
    encoded.intake(1)
    fused, plain = (denoising.open_denoiser(work, CPU, fused=each).eval() for each in (True, False))
    asked = denoising.Task(work, CPU).ask(encoded.bank.columns, torch.arange(2), torch.tensor([300, 800]))
    text = encoded.bank.columns["text"][:2, 0].float()
    torch.testing.assert_close(
        fused(asked.latents, asked.timesteps, text)[0],
        plain(asked.latents, asked.timesteps, text)[0],
        atol=1e-4,
        rtol=1e-3,
    )


def test_attention_is_multiplied_out_where_that_of_the_gpu_is_no_good(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The GPU is the boundary here: what is asked of it, and what is done when it fails."""
    asked: list[tuple[bool, float]] = []

    class Failing:
        def __init__(self, fused: bool) -> None:
            self.fused = fused

        def train(self, seconds: float, *_: object) -> None:
            asked.append((self.fused, seconds))
            if self.fused:
                raise FloatingPointError("too many gradients are not finite")

    monkeypatch.setattr(denoising, "Encoded", lambda *_: SimpleNamespace(intake=lambda: 1, check=_nothing, bank=[]))
    monkeypatch.setattr(side_by_side, "begin_names", lambda _work: None)
    monkeypatch.setattr(denoising, "learner_of", lambda _encoded, _rows, *, fused: Failing(fused))
    plan = Plan(Path(), Path(), first=0, least=1, rows=2, anneal=0.5, naming=0, ends=time.time() + 60)
    learn_unet(plan, 50.0, torch.device("cuda"))
    assert [fused for fused, _ in asked] == [True, False]
    assert 0 < asked[1][1] < asked[0][1] == 50
    assert "again with attention multiplied out" in capsys.readouterr().out
    asked.clear()
    learn_unet(plan, 50.0, CPU)
    assert [fused for fused, _ in asked] == [False]


def test_a_judge_learns_from_look_alikes_and_round_trips(work: Path, drawn: Path) -> None:
    learner, lookers = judging.learner_of(work, drawn, "a", CPU, ROWS)
    assert lookers.intake(seconds=60) == 2, "chunks of look-alikes"
    lesson = lookers.lesson(2, 4, torch.default_generator)
    assert lesson.images.shape == (16, 3, 128, 128)
    assert lesson.images.abs().max() < 1.5
    assert len(lesson.truth.words) == len(lesson.details) == 16
    before = learner.module.numbers.weight.detach().clone()
    learner.train(0.1, 0.5, _nothing, _nothing, "a")
    assert not torch.equal(learner.module.numbers.weight, before)


def test_a_prior_learns_names_then_through_the_unet(
    work: Path, drawn: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prior = guessing.fresh_prior(work, CPU)
    sights = guessing.Sights(work, drawn, prior, CPU)
    assert sights.intake(1) == 1
    naming = guessing.naming_learner(work, prior, sights, CPU)
    naming.train(1.0, 0.5, _nothing, _nothing, "names")
    assert prior.out.weight.abs().max() > 0, "it began as nothing"
    encoder = {name: weight.clone() for name, weight in prior.encoder.state_dict().items()}
    before = prior.out.weight.detach().clone()
    learner = guessing.guessing_learner(work, prior, sights, CPU, ROWS)
    learner.train(0.1, 0.5, _nothing, _nothing, "prior")
    assert not torch.equal(prior.out.weight, before)
    assert all(torch.equal(weight, encoder[name]) for name, weight in prior.encoder.state_dict().items())
    assert "prior: step" in capsys.readouterr().out


@pytest.mark.timeout(300)
def test_one_command_draws_and_trains_one_after_the_other(work: Path) -> None:
    before = open_judge("reader", work / "judges" / "judge_reader.safetensors").numbers.weight
    asked = ["reader=0.1+prior=0.1", "--naming", "0.1", "--rows", "8", "--chunks", "1", "--least", "1"]
    command = [sys.executable, "-m", "pretrain.gpu", *asked, "--work", str(work), "--processes", "1"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stderr[-2000:]
    assert not torch.equal(open_judge("reader", work / "judges" / "judge_reader.safetensors").numbers.weight, before)
    prior = load_prior(work / "prior.safetensors")
    assert prior.out.weight.any(), "it begins as nothing"
    seen = open_judge("reader", work / "judges" / "judge_reader.safetensors").encoder.state_dict()
    assert all(torch.allclose(weight, seen[name]) for name, weight in prior.encoder.state_dict().items())


@pytest.mark.parametrize("job", ["unets=3", "unet", "unet=soon", "unet=3+b"])
def test_a_job_that_is_none_is_told(
    job: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["python -m pretrain.gpu", job, "--work", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "must be one of unet, prior, a, b, reader, =, and its seconds" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
