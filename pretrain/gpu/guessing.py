"""Trains a tail prior through the frozen UNet, on pictures that are still being drawn."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from core.diffusion.prior import LookingEncoder, TailPrior
from pretrain.gpu.bank import Bank, Intake, as_images, on_device, quickly
from pretrain.gpu.board import ALIKE_CHUNK, CAPTIONS, CHUNK, OUTSIDE_CHUNK, Rows, open_board
from pretrain.gpu.denoising import Encoded, Task, generator_of, open_unet
from pretrain.gpu.learner import Learner
from pretrain.menagerie.names import WIDTH as LOOKS
from pretrain.training.prior import TIMESTEPS, new_prior
from pretrain.training.schedule import STEPS
from pretrain.training.text import WIDTH
from pretrain.training.unet.names import NAMES_FILE, open_names, with_tail_added
from pretrain.worlds import MENAGERIE

NAMED_AT_ONCE, NAMING_RATE = 1024, 1e-3
RATE = 2e-4
CAPACITY = 400_000  # pictures, 33 KB each


class Sights:
    """What the prior's encoder sees in pictures and in their mirror images, and what the UNet is to make of them."""

    def __init__(self, work: Path, board: Path, prior: TailPrior, device: torch.device) -> None:
        self._prior = prior
        self._encoded = Encoded(work, board, device, CHUNK)  # one chunk, handed on at once
        self.bank = Bank(
            CAPACITY, CHUNK,
            {
                "seen": ((2, LookingEncoder.FEATURES), torch.float16),
                "latents": ((MENAGERIE.channels, 16, 16), torch.float16),
                "text": ((MENAGERIE.max_tokens, WIDTH), torch.float16),
                "parts": ((16, 16), torch.uint8),
                "looks": ((LOOKS,), torch.float32),
            },
            device,
        )  # fmt: skip
        self.intake = Intake(open_board(board), (ALIKE_CHUNK, OUTSIDE_CHUNK), self._take)

    def _take(self, rows: Rows, kind: int) -> None:
        self._encoded.take(rows, kind)
        images = as_images(on_device(rows, "images", self._encoded.device))
        with torch.no_grad():
            seen = torch.stack([self._prior.encoder(images), self._prior.encoder(images.flip(-1))], 1)
        found = self._encoded.bank.columns
        self.bank.put({**found, "text": found["text"][:, CAPTIONS - 1], "seen": seen})

    def seen(self, rows: Tensor) -> Tensor:
        """Return what is seen in these pictures, each mirrored or not, (B, FEATURES)."""
        mirrored = torch.randint(2, (len(rows),), device=rows.device)
        return self.bank.columns["seen"][rows, mirrored].float()


def naming_learner(work: Path, prior: TailPrior, sights: Sights, device: torch.device) -> Learner[TailPrior]:
    """Return a training in the names of those whom pictures show; the drawings by others have none."""
    names = open_names(work / NAMES_FILE, MENAGERIE.groups).to(device)

    def loss_of() -> Tensor:
        rows = sights.bank.draw(NAMED_AT_ONCE)
        looks = sights.bank.columns["looks"][rows]
        known = ~looks.isnan().any(1)
        error = functional.mse_loss(prior.guess(sights.seen(rows)), names(looks.nan_to_num()), reduction="none")
        return (error.mean((1, 2)) * known).sum() / known.sum().clamp(min=1)

    return Learner(prior, loss_of, NAMING_RATE, device)


def guessing_learner(
    work: Path, prior: TailPrior, sights: Sights, device: torch.device, rows_a_step: int
) -> Learner[TailPrior]:
    """Return a training through the frozen UNet: one picture's guess helps to denoise another of the same animal."""
    unet = open_unet(work, device).requires_grad_(False).eval()
    task, generator = Task(work, device), generator_of(device)
    columns = sights.bank.columns

    def loss_of() -> Tensor:
        rows = sights.bank.draw(rows_a_step // 2, 2)
        others = rows ^ 1
        sequence = with_tail_added(columns["text"][others].float(), prior.guess(sights.seen(rows)))
        timesteps = torch.randint(TIMESTEPS[0], STEPS, (len(rows),), generator=generator, device=device)
        asked = task.ask(columns, others, timesteps)
        with quickly(device):
            predicted = unet(asked.latents, asked.timesteps, sequence).sample
        return task.error(predicted, asked)

    return Learner(prior, loss_of, RATE, device)


def fresh_prior(work: Path, device: torch.device) -> TailPrior:
    """Return a prior that sees with the reader of a work folder, its head still to learn."""
    return new_prior(work).to(device)
