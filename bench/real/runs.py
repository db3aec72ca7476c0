"""One method with one photographed subject: learned, drawn, timed, kept."""

from __future__ import annotations

import hashlib
import json
import resource
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from bench.real.subjects import Photographed
from bench.rivals.contest import Kept
from bench.rivals.lines import Entry
from bench.rivals.method import Stage
from bench.rivals.timing import learn_with_the_cores, processor
from core.diffusion.checkpoints.headers import sha256_of

T = TypeVar("T")


@dataclass(frozen=True)
class Cost:
    """What one subject took: seconds to learn and for a picture, the most memory in bytes, the bytes kept.

    Of a method that learns for each prompt anew the seconds are one prompt's, and a picture's are not known: it learns
    while it draws.
    """

    seconds: float
    picture: float | None
    memory: int
    bytes_kept: int


@dataclass(frozen=True, eq=False)
class Made:
    """A subject's pictures (N, H, W, 3) in the order of its asks, and what they took."""

    pictures: NDArray[np.uint8]
    cost: Cost


def make(stage: Stage, entry: Entry, subject: Photographed, seeds: int, folder: Path) -> Made:
    """Learn and draw a subject, or take up what lies in the folder of an earlier run."""
    asks = subject.asks(seeds)
    who = [subject.name, *(sha256_of(path) for path in subject.pictures[: entry.pictures])]
    kept = Kept(folder, stage, entry, [*who, subject.noun, *subject.prompts], asks)
    machine = hashlib.sha256(json.dumps(processor()).encode()).hexdigest()
    costs = kept.beside(f".{machine[:8]}-{stage.studio.threads}-threads.json")
    found = kept.load()
    if found is not None and costs.exists():
        return Made(found, Cost(**json.loads(costs.read_text())))
    shots = subject.shots(min(entry.pictures, len(subject.pictures)), stage.backbone.image_size)
    learn_with_the_cores(stage, entry.method.shortened(1e-9), [shots])  # warm, and the class' pictures are there
    _forget_peak(stage)
    [learned], seconds = _timed(stage, lambda: learn_with_the_cores(stage, entry.method, [shots]))
    pictures, drawing = _timed(stage, lambda: entry.method.draw(stage, learned, asks))
    picture = None if entry.method.per_prompt else drawing / len(asks)
    cost = Cost(seconds, picture, _peak_memory(stage), learned.bytes_kept)
    kept.save(pictures)
    costs.write_text(json.dumps(asdict(cost)))
    return Made(pictures, cost)


def _timed(stage: Stage, run: Callable[[], T]) -> tuple[T, float]:
    began = time.perf_counter()
    result = run()
    if stage.backbone.device.type == "cuda":
        torch.cuda.synchronize(stage.backbone.device)
    return result, time.perf_counter() - began


def _forget_peak(stage: Stage) -> None:
    if stage.backbone.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(stage.backbone.device)


def _peak_memory(stage: Stage) -> int:
    """Return the most bytes that were used: of the GPU since it was last forgotten, else by the process so far."""
    if stage.backbone.device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(stage.backbone.device))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
