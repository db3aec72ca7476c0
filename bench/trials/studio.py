"""Many tails and edits through one engine, as a worker makes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from core.config import REPOSITORY
from core.diffusion import hiper
from core.diffusion.backbone import Backbone
from core.diffusion.learning.sources import Source
from core.diffusion.requests import Report, Routine
from core.models.parameters import EditParams, PersonalizeParams
from pretrain.drawing.pictures import to_bytes
from worker.engine import Engine, Kind

T = TypeVar("T")
AT_ONCE = 16
CRITTERS = REPOSITORY / "models" / "critters"


@dataclass(frozen=True, eq=False)
class Wish:
    """An edit: a prompt, the tail (n, D) to put behind it (None: the prompt's own, that is plain Stable Diffusion).

    `source_prompts` are those that the tail was learned with, one a picture.
    """

    prompt: str
    tail: Tensor | None
    seed: int
    source_prompts: Sequence[str] = ()


class Studio:
    """Makes tails and edits on one backbone, sixteen jobs at a time, with so many threads as the caller has."""

    def __init__(self, backbone: Backbone, *, quiet: bool = False, threads: int | None = None) -> None:
        self.backbone = backbone
        self.quiet = quiet
        self.threads = threads or torch.get_num_threads()

    def tails(
        self,
        subjects: Sequence[Sequence[Source]],
        seeds: Sequence[int],
        params: PersonalizeParams,
        at: Sequence[int] = (),
    ) -> list[dict[int, Tensor]]:
        """Learn a tail (n, D) of each subject from its pictures; return it after each of the steps `at`.

        Without `at` after the last one only.
        """
        kept: list[dict[int, Tensor]] = [{} for _ in subjects]
        steps = tuple(at) or (params.steps,)
        jobs = (
            snapshots(self._learn(sources, seed, params), steps, into)
            for sources, seed, into in zip(subjects, seeds, kept, strict=True)
        )
        self.run("personalize", jobs, len(subjects))
        return kept

    def pictures(self, wishes: Sequence[Wish], params: EditParams) -> NDArray[np.uint8]:
        """Make the edits; (N, H, W, 3). `params.tail_scale` scales the tails that are given."""
        made = self.run("edit", (self._edit(wish, params) for wish in wishes), len(wishes))
        return to_bytes(torch.stack([pictures[0] for pictures in made]))

    def _learn(self, sources: Sequence[Source], seed: int, params: PersonalizeParams) -> Routine[Tensor]:
        return hiper.personalize(sources=sources, params=params, schedule=self.backbone.schedule, seed=seed)

    def _edit(self, wish: Wish, params: EditParams) -> Routine[list[Tensor]]:
        tail = wish.tail
        if tail is None:
            tail = self.backbone.encode_prompt([wish.prompt])[0].tail(1)
            params = params.model_copy(update={"tail_scale": 1.0, "tail_mode": "replace"})
        return hiper.edit(
            prompt=wish.prompt,
            tail=tail,
            params=params,
            schedule=self.backbone.schedule,
            latent_shape=self.backbone.latent_shape,
            seed=wish.seed,
            source_prompts=wish.source_prompts,
        )

    def run(self, kind: Kind, jobs: Iterable[Routine[T]], count: int) -> list[T]:
        """Run the jobs in their order, sixteen at once, and return what they return."""
        results = []
        waiting = iter(jobs)
        with running_engine(self.threads) as engine, tqdm(total=count, desc=kind, disable=self.quiet) as bar:
            tickets = [self._submit(engine, kind, job) for job in islice(waiting, AT_ONCE)]
            while tickets:
                results.append(tickets.pop(0).result())
                bar.update()
                tickets += [self._submit(engine, kind, job) for job in islice(waiting, 1)]
        return results

    def _submit(self, engine: Engine, kind: Kind, job: Routine[T]) -> Any:
        return engine.submit(job, backbone=self.backbone, kind=kind, name=kind)


@contextmanager
def running_engine(threads: int) -> Iterator[Engine]:
    """Run an engine with so many threads for as long as the block runs."""
    engine = Engine(num_threads=threads)
    engine.start()
    try:
        yield engine
    finally:
        engine.stop()


def snapshots(job: Routine[T], at: Sequence[int], into: dict[int, Tensor]) -> Routine[T]:
    """Run a personalization as it is, and keep its tail (n, D) after the steps `at`."""
    try:
        request = next(job)
        while True:
            if isinstance(request, Report) and request.checkpoint is not None and request.step in at:
                into[request.step] = request.checkpoint["tail"].clone()
            request = job.send((yield request))
    except StopIteration as stop:
        result: T = stop.value
        return result
