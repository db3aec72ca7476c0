"""`python -m pretrain.gpu`: draws in most processes and trains several networks side by side in others."""

from __future__ import annotations

import argparse
import os
import time
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch

from core.diffusion.prior import save_prior
from pretrain.gpu import denoising, guessing, judging
from pretrain.gpu.board import draw_on, new_board
from pretrain.judging.network import save_judge
from pretrain.training.parallel import settle

_FIRST_PICTURES = 200  # chunks, before anybody learns


def _draw(board: Path, work: Path, rank: int, processes: int, first: int) -> None:
    os.nice(10)
    settle()
    draw_on(board, work, rank, processes, first)


def _device(index: int = 0) -> torch.device:
    if not torch.cuda.is_available():
        settle()
        return torch.device("cpu")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    torch._dynamo.config.suppress_errors = True  # what cannot be compiled runs as it is
    return torch.device("cuda", index)


def _filled(intake: object, least: int) -> None:
    """Take chunks in until there are enough to begin with."""
    count = 0
    while count < least:
        count += intake()  # type: ignore[operator]
        time.sleep(0.1)


def _learn(job: str, seconds: float, options: argparse.Namespace) -> None:
    """Run one training and write what it made into the folder `out`."""
    device, began = _device(), time.monotonic()
    work, board, out, least = options.work, options.board, options.out, options.least
    torch.manual_seed(options.first + len(job))
    if job == "unet":
        learner, encoded = denoising.learner_of(work, board, device, options.compile, options.rows)
        _filled(encoded.intake, least)
        print(f"unet: begins after {time.monotonic() - began:.0f} s", flush=True)
        learner.train(seconds, options.anneal, encoded.intake, job)
        print(f"unet: {len(encoded.bank)} pictures", flush=True)
        denoising.save_subjects(learner.average, out)
    elif job == "prior":
        prior = guessing.fresh_prior(work, device)
        sights = guessing.Sights(work, board, prior, device)
        _filled(sights.intake, least)
        naming = guessing.naming_learner(work, prior, sights, device)
        naming.train(options.naming, 0.5, sights.intake, "prior, names")
        prior.load_state_dict(naming.average.state_dict())
        save_prior(naming.average, out / "prior-named.safetensors")
        guessed = guessing.guessing_learner(work, prior, sights, device, options.compile, options.rows)
        guessed.train(seconds, options.anneal, sights.intake, job)
        save_prior(guessed.average, out / "prior.safetensors")
    else:
        judge, lookers = judging.learner_of(work, board, job, device, options.compile, options.rows)
        _filled(lookers.intake, least // 2)
        print(f"{job}: begins after {time.monotonic() - began:.0f} s", flush=True)
        judge.train(seconds, options.anneal, lookers.intake, job)
        print(f"{job}: {len(lookers.drawn)} pictures", flush=True)
        save_judge(judge.average, out / "judges" / f"judge_{job}.safetensors")
    print(f"{job}: written after {time.monotonic() - began:.0f} s", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m pretrain.gpu", description="Draw and train at once, on one large GPU.")
    parser.add_argument("jobs", nargs="+", metavar="NAME=SECONDS", help="unet, prior, a, b or reader, and for how long")
    parser.add_argument("--work", type=Path, required=True, help="a work folder of the menagerie; nothing is changed")
    parser.add_argument("--out", type=Path, required=True, help="where what was trained is written")
    parser.add_argument("--board", type=Path, default=Path("/dev/shm/board"), help="where pictures are drawn")
    parser.add_argument("--chunks", type=int, default=12_000, help="how many to draw at most, of 48 pictures each")
    parser.add_argument("--first", type=int, default=0, help="how many chunks were drawn before: these are others")
    parser.add_argument("--processes", type=int, default=14, help="that draw")
    parser.add_argument("--least", type=int, default=_FIRST_PICTURES, help="chunks, before anybody learns")
    parser.add_argument("--anneal", type=float, default=0.6, help="share of a training in which its rate falls to 0")
    parser.add_argument("--naming", type=float, default=20, help="seconds in which the prior learns names")
    parser.add_argument("--rows", type=int, default=256, help="pictures a step")
    parser.add_argument("--compile", action="store_true", help="compile the networks first, which takes a minute")
    return parser


def main() -> None:
    """Start all processes, wait for those that learn, end those that draw."""
    options = _parser().parse_args()
    new_board(options.board, options.chunks)
    options.out.mkdir(parents=True, exist_ok=True)
    spawn = get_context("spawn")
    drawing = [
        spawn.Process(target=_draw, args=(options.board, options.work, rank, options.processes, options.first), daemon=True)
        for rank in range(options.processes)
    ]  # fmt: skip
    learning: list[BaseProcess] = []
    for job in options.jobs:
        name, seconds = job.split("=")
        learning.append(spawn.Process(target=_learn, args=(name, float(seconds), options)))
    for process in [*learning, *drawing]:
        process.start()
    for process in learning:
        process.join()
    for process in drawing:
        process.terminate()
    if any(process.exitcode for process in learning):
        raise SystemExit("a training failed")
