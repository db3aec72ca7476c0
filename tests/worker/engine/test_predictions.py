"""The model's output comes with a loss only to those rows that ask for it, and changes nothing of it."""

from __future__ import annotations

import torch

from core.diffusion.requests import NoiseLoss, PredictNoise
from tests.support.tiny_backbone import CHANNELS, SIZE, TinyBackbone, prompt
from worker.engine.execution import execute


def test_a_row_gets_the_models_output_if_it_asks_for_it() -> None:
    backbone = TinyBackbone()
    rng = torch.Generator().manual_seed(0)
    latents = [torch.randn(CHANNELS, SIZE, SIZE, generator=rng, dtype=torch.float64) for _ in range(3)]
    rows = [prompt(text, torch.float64) for text in ("a", "b", "c")]
    losses = [
        NoiseLoss(x, 10 * i, row, x, with_prediction=i == 1)
        for i, (x, row) in enumerate(zip(latents, rows, strict=True))
    ]

    with_one, without = (execute(backbone, each, 4) for each in (losses, [losses[0], losses[2]]))

    assert [row.prediction is not None for row in with_one] == [False, True, False]
    (wanted,) = execute(backbone, [PredictNoise(latents[1], 10, rows[1])], 4)
    torch.testing.assert_close(with_one[1].prediction, wanted.to(with_one[1].prediction))
    assert [row.loss for row in without] == [with_one[0].loss, with_one[2].loss]
