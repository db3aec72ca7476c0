"""The menagerie as trials see it."""

from __future__ import annotations

import torch
from torch import Tensor

from bench.alike import cases, scoring
from bench.trials.ground import Ground
from pretrain.menagerie.captions import full_caption, plain_caption
from pretrain.menagerie.judge import Judge, open_judge
from pretrain.menagerie.names import looks_as_numbers
from pretrain.menagerie.truth import NUMBERS

Read = tuple[dict[str, str], dict[str, float]]


@torch.no_grad()
def _read(judge: Judge, images: Tensor) -> list[Read]:
    reading = judge(images)
    numbers = [dict(zip(NUMBERS, row.tolist(), strict=True)) for row in reading.numbers]
    return list(zip(reading.words(), numbers, strict=True))


MENAGERIE_GROUND = Ground(
    cases=cases.cases,
    scenes=lambda case, count: case.sources[:count],
    draw=scoring.drawn,
    caption=plain_caption,
    read=_read,
    full_caption=lambda scene, read: full_caption(scene, *read),
    open_scorer=lambda name, path: scoring.Scorer(open_judge(name, path)),
    columns=(
        "identity", "alike", "precision", "text", *scoring.SCENE, "halfway", "leak pose", "leak place", "leak style",
    ),
    looks=lambda case: looks_as_numbers(case.sources[0].who),
    elsewhere=lambda case, target: case.elsewhere(target),
)  # fmt: skip
