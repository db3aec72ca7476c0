"""Draws in most processes and trains several networks in others, side by side or one after the other."""

from __future__ import annotations

import argparse
import gc
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from multiprocessing import connection, get_context
from multiprocessing.process import BaseProcess
from pathlib import Path

import psutil
import torch

from core.diffusion.devices import leave_cudnn_attention_out
from core.diffusion.prior import save_prior
from pretrain.gpu import denoising, guessing, judging
from pretrain.gpu.board import draw_on, new_board
from pretrain.judging.network import save_judge
from pretrain.training.parallel import settle
from pretrain.training.unet.names import NAMES_FILE
from pretrain.training.unet.wording import begin_names

TRAININGS = ("unet", "prior", "a", "b", "reader")


@dataclass(frozen=True)
class Plan:
    """What all trainings of a run share."""

    work: Path
    board: Path
    first: int  # how many chunks were drawn before
    least: int  # chunks, before anybody learns
    rows: int  # pictures a step
    anneal: float
    naming: float  # seconds in which a prior learns names
    ends: float  # when all must have ended, as `time.time` tells it

    def fill(self, intake: Callable[[], int], least: int) -> None:
        """Take chunks in until there are enough to begin with; TimeoutError when time is up before."""
        count = 0
        while count < least:
            if time.time() > self.ends:
                raise TimeoutError(f"{count} of {least} chunks were drawn when time was up")
            count += intake()
            time.sleep(0.05)


def _draw(plan: Plan, rank: int, processes: int) -> None:
    os.nice(10)
    settle()
    draw_on(plan.board, plan.work, rank, processes, plan.first)


def _learn(jobs: list[tuple[str, float]], plan: Plan) -> None:
    device = _device()
    for name, seconds in jobs:
        torch.manual_seed(plan.first + len(name))
        if name == "unet":
            learn_unet(plan, seconds, device)
        elif name == "prior":
            _learn_prior(plan, seconds, device)
        else:
            _learn_judge(plan, name, seconds, device)
        gc.collect()  # what a training holds refers to itself, and is gigabytes of the device's memory
        if device.type == "cuda":
            torch.cuda.empty_cache()


def _device() -> torch.device:
    if not torch.cuda.is_available():
        settle()
        return torch.device("cpu")
    leave_cudnn_attention_out()
    torch.backends.cudnn.allow_tf32 = True  # not for products: places and sizes are differences of large sums
    torch.backends.cudnn.benchmark = True
    return torch.device("cuda", 0)


def learn_unet(plan: Plan, seconds: float, device: torch.device) -> None:
    """Train the UNet and its names: with fused attention on a GPU, unless its gradients are not finite."""
    begin_names(plan.work)  # while others draw
    encoded = denoising.Encoded(plan.work, plan.board, device)
    plan.fill(encoded.intake, plan.least)
    encoded.check()
    started = time.monotonic()
    if device.type != "cuda" or not _denoises(plan, encoded, seconds, fused=True):
        _denoises(plan, encoded, seconds - (time.monotonic() - started), fused=False)
    print(f"unet: {len(encoded.bank)} pictures", flush=True)


def _denoises(plan: Plan, encoded: denoising.Encoded, seconds: float, *, fused: bool) -> bool:
    """Train the UNet; False if its gradients are not finite, as those of fused attention may be."""
    learner = denoising.learner_of(encoded, plan.rows, fused=fused)
    try:
        learner.train(
            seconds, plan.anneal, encoded.intake,
            lambda: denoising.save_denoiser(deepcopy(learner.average), plan.work), "unet", plan.ends,
        )  # fmt: skip
    except FloatingPointError as error:
        if not fused:
            raise
        print(f"unet: {error}; again with attention multiplied out", flush=True)
        return False
    return True


def _learn_judge(plan: Plan, name: str, seconds: float, device: torch.device) -> None:
    learner, lookers = judging.learner_of(plan.work, plan.board, name, device, plan.rows)

    def keep() -> None:
        path = plan.work / "judges" / f"judge_{name}.safetensors"
        path.parent.mkdir(exist_ok=True)
        denoising.replaced(path, lambda unfinished: save_judge(learner.average, unfinished))

    plan.fill(lookers.intake, max(1, plan.least // 2))
    learner.train(seconds, plan.anneal, lookers.intake, keep, f"judge {name}", plan.ends)
    print(f"judge {name}: {len(lookers.drawn)} pictures", flush=True)


def _learn_prior(plan: Plan, seconds: float, device: torch.device) -> None:
    if not (plan.work / NAMES_FILE).exists():
        raise FileNotFoundError(
            f"{plan.work} has no {NAMES_FILE}: the stage `names` or a training of the UNet makes it"
        )
    prior = guessing.fresh_prior(plan.work, device)
    sights = guessing.Sights(plan.work, plan.board, prior, device)
    plan.fill(sights.intake, max(1, plan.least // 2))
    if plan.naming:
        naming = guessing.naming_learner(plan.work, prior, sights, device)
        naming.train(plan.naming, 0.5, sights.intake, lambda: None, "prior, names", plan.ends)
        prior.load_state_dict(naming.average.state_dict())
    learner = guessing.guessing_learner(plan.work, prior, sights, device, plan.rows)

    def keep() -> None:
        denoising.replaced(plan.work / "prior.safetensors", lambda unfinished: save_prior(learner.average, unfinished))

    learner.train(seconds, plan.anneal, sights.intake, keep, "prior", plan.ends)


def _jobs(text: str) -> list[tuple[str, float]]:
    """Read "unet=300+prior=60": trainings of one process, one after the other."""
    jobs = []
    for part in text.split("+"):
        name, _, seconds = part.partition("=")
        if name not in TRAININGS or not seconds.replace(".", "", 1).isdigit():
            raise argparse.ArgumentTypeError(f"{part!r} must be one of {', '.join(TRAININGS)}, =, and its seconds")
        jobs.append((name, float(seconds)))
    return jobs


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m pretrain.gpu", description="Draw and train at once, on one large GPU.")
    parser.add_argument(
        "jobs", nargs="+", type=_jobs, metavar="NAME=SECONDS[+NAME=SECONDS]",
        help=f"of {', '.join(TRAININGS)}: each argument is a process, + joins what it trains one after the other",
    )  # fmt: skip
    parser.add_argument("--work", type=Path, required=True, help="a work folder of the menagerie, as `begin` makes it")
    parser.add_argument("--board", type=Path, help="where pictures lie, best in memory (default: WORK/board)")
    parser.add_argument("--chunks", type=int, default=12_000, help="how many to draw at most, of 48 pictures each")
    parser.add_argument("--first", type=int, default=0, help="how many chunks were drawn before: these are others")
    parser.add_argument("--processes", type=int, default=max(1, (os.cpu_count() or 1) - 2), help="that draw")
    parser.add_argument("--least", type=int, default=200, help="chunks, before anybody learns")
    parser.add_argument("--rows", type=int, default=256, help="pictures a step")
    parser.add_argument("--anneal", type=float, default=0.6, help="share of a training in which its rate falls to 0")
    parser.add_argument("--naming", type=float, default=20, help="seconds in which the prior learns names")
    parser.add_argument(
        "--within", type=float, default=3600, help="seconds from its start in which all must have ended"
    )
    return parser


def main() -> None:
    """Start all processes, wait for those that learn, end those that draw; a board that is there is gone on with."""
    options = _parser().parse_args()
    board = options.board or options.work / "board"
    plan = Plan(
        options.work, board, options.first, options.least, options.rows, options.anneal, options.naming,
        ends=psutil.Process().create_time() + options.within,  # what it took to begin counts, too
    )  # fmt: skip
    if not (plan.board / "kinds.npy").exists():
        new_board(plan.board, options.chunks)
    spawn, count = get_context("spawn"), options.processes
    drawing = [spawn.Process(target=_draw, args=(plan, rank, count), daemon=True) for rank in range(count)]
    learning = [spawn.Process(target=_learn, args=(jobs, plan)) for jobs in options.jobs]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended from outside"))
    try:
        for process in (*learning, *drawing):
            process.start()
        _wait(learning, drawing)
    finally:
        for process in (*learning, *drawing):
            if process.is_alive():
                process.terminate()


def _wait(learning: Sequence[BaseProcess], drawing: Sequence[BaseProcess]) -> None:
    """Return when all have learned; SystemExit as soon as one that learns or draws fails."""
    while any(process.is_alive() for process in learning):
        connection.wait([process.sentinel for process in (*learning, *drawing) if process.is_alive()])
        if any(process.exitcode for process in drawing):
            raise SystemExit("a process that draws failed")
    if any(process.exitcode for process in learning):
        raise SystemExit("a training failed")
