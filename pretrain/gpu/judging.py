"""Trains a judge, or what a tail prior sees with, on look-alikes that are still being drawn."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from pretrain.gpu.bank import Bank, Intake, as_images, on_device, quickly
from pretrain.gpu.board import ALIKE_CHUNK, CHUNK, Rows, open_board
from pretrain.gpu.denoising import generator_of
from pretrain.gpu.learner import Learner
from pretrain.menagerie.captions import ATTRIBUTES
from pretrain.menagerie.judge import Judge, new_judge, open_judge
from pretrain.menagerie.judging import judge_loss
from pretrain.menagerie.lessons import ALIKE, DETAIL, SCENES, Lesson, mirrored_alike, moved_alike
from pretrain.menagerie.truth import NUMBERS, Truth
from pretrain.training.models import Vae
from pretrain.training.vae import open_vae
from pretrain.worlds import MENAGERIE

CAPACITY = 300_000  # pictures, 50 KB each; and a quarter as many round trips
RATE = 2e-3
_NOISE = 0.05
_DECODED_OF = 4  # one picture of so many is also kept as the VAE gives it back


class Lookers:
    """Look-alikes and round trips, taken from a board."""

    def __init__(self, work: Path, board: Path, device: torch.device, capacity: int = CAPACITY) -> None:
        self.device = device
        self._vae: Vae = open_vae(work).to(device, memory_format=torch.channels_last)
        size = MENAGERIE.size
        shapes = {
            "images": ((size, size, 3), torch.uint8), "details": ((DETAIL, DETAIL), torch.uint8),
            "words": ((len(ATTRIBUTES),), torch.int16), "numbers": ((len(NUMBERS),), torch.float32),
            "seen": ((len(NUMBERS),), torch.bool),
        }  # fmt: skip
        self.drawn = Bank(capacity, CHUNK, shapes, device)
        self.decoded = Bank(capacity // _DECODED_OF, CHUNK // _DECODED_OF, shapes, device)
        self.intake = Intake(open_board(board), (ALIKE_CHUNK,), self._take)

    def _take(self, rows: Rows, _kind: int) -> None:
        found = {name: on_device(rows, name, self.device) for name in self.drawn.columns}
        self.drawn.put(found)
        some = {name: column[::_DECODED_OF] for name, column in found.items()}
        with torch.no_grad(), quickly(self.device):
            latents = self._vae.encode(as_images(some["images"])).latent_dist.mode()
            back = self._vae.decode(latents).sample
        some["images"] = back.float().clamp(-1, 1).add(1).mul(127.5).round().byte().permute(0, 2, 3, 1)
        self.decoded.put(some)

    def lesson(self, groups: int, again: int, generator: torch.Generator) -> Lesson:
        """Return a batch of so many groups of look-alikes, and round trips of others, as `lessons.Lessons.batch` does.

        Nothing is read back to the host.
        """
        each = ALIKE * SCENES
        drawn, others = self.drawn.draw(groups, each), self.decoded.draw(again)
        columns = {
            name: torch.cat([self.drawn.columns[name][drawn], self.decoded.columns[name][others]])
            for name in self.drawn.columns
        }
        images, details = as_images(columns["images"]), columns["details"].long()
        chance = torch.rand(3, len(images), device=self.device)
        mirrored, moved = chance[0] < 0.5, chance[1] < 0.5
        images = torch.where(mirrored[:, None, None, None], images.flip(-1), images)
        details = torch.where(mirrored[:, None, None], details.flip(-1), details)
        otherwise = moved_alike(images, details, generator)
        images = torch.where(moved[:, None, None, None], otherwise[0], images)
        details = torch.where(moved[:, None, None], otherwise[1], details)
        images = images + _NOISE * chance[2][:, None, None, None] * torch.randn_like(images)
        truth = Truth(columns["words"].long(), columns["numbers"], columns["seen"])
        return Lesson(images, mirrored_alike(truth, mirrored), details, groups)


def learner_of(
    work: Path, board: Path, name: str, device: torch.device, rows_a_step: int
) -> tuple[Learner[Judge], Lookers]:
    """Return a training of judge "a" or "b", or the "reader", with the weights in a work folder if there are any."""
    path = work / "judges" / f"judge_{name}.safetensors"
    judge = open_judge(name, path).requires_grad_(True) if path.exists() else new_judge(name)
    judge = judge.to(device)
    judge.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    lookers = Lookers(work, board, device)
    groups, generator = rows_a_step // (ALIKE * SCENES + 2), generator_of(device)

    def loss_of() -> Tensor:
        lesson = lookers.lesson(groups, rows_a_step - groups * ALIKE * SCENES, generator)
        with quickly(device):
            reading = judge(lesson.images.contiguous(memory_format=torch.channels_last))
        return judge_loss(reading, lesson)

    return Learner(judge, loss_of, RATE, device), lookers
