"""Trains the UNet, and the names that it reads, on pictures that are still being drawn."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import torch
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor, nn

from pretrain.captions.tokenizer import open_tokenizer
from pretrain.gpu.bank import Bank, Intake, as_images, on_device, quickly
from pretrain.gpu.board import ALIKE_CHUNK, CAPTIONS, CHUNK, OUTSIDE_CHUNK, PAIRS_CHUNK, Rows, open_board
from pretrain.gpu.learner import Learner
from pretrain.menagerie.names import WIDTH as LOOKS
from pretrain.menagerie.outside import UNKNOWN_PART
from pretrain.training.models import TextEncoder, Unet, UNet2DConditionModel, Vae
from pretrain.training.schedule import LATE, draw_timesteps, schedule_for, scheduler_of, weights_of
from pretrain.training.text import WIDTH, open_text, tokens
from pretrain.training.unet import Names, hidden, mix_tails, open_names, save_names
from pretrain.training.unet.denoiser import importance
from pretrain.training.unet.names import NAMES_FILE
from pretrain.training.unet.training import NAMED, PLAINLY
from pretrain.training.unet.wording import names_begun
from pretrain.training.vae import open_vae
from pretrain.worlds import MENAGERIE

CAPACITY = 360_000  # pictures; 70 KB each
RATE = 1e-3


class Subjects(nn.Module):
    """The UNet and the names that are learned with it."""

    def __init__(self, unet: Unet, names: Names) -> None:
        super().__init__()
        self.unet, self.names = unet, names


class Encoded:
    """Latents, captions' encodings, parts and looks of what is drawn, taken from a board."""

    def __init__(self, work: Path, board: Path, device: torch.device, capacity: int = CAPACITY) -> None:
        self.device = device
        self.vae: Vae = open_vae(work).to(device, memory_format=torch.channels_last)
        self.text: TextEncoder = open_text(work).to(device)
        self.empty = self.encode(tokens(open_tokenizer(work), [""]))[0]
        channels = MENAGERIE.channels
        self.bank = Bank(
            capacity, CHUNK,
            {
                "latents": ((channels, 16, 16), torch.float16),
                "text": ((CAPTIONS, MENAGERIE.max_tokens, WIDTH), torch.float16),
                "parts": ((16, 16), torch.uint8),
                "looks": ((LOOKS,), torch.float32),
            },
            device,
        )  # fmt: skip
        self.intake = Intake(open_board(board), (ALIKE_CHUNK, PAIRS_CHUNK, OUTSIDE_CHUNK), self.take)

    def take(self, rows: Rows, _kind: int) -> None:
        """Encode a chunk and keep it."""
        images = as_images(on_device(rows, "images", self.device))
        with torch.no_grad(), quickly(self.device):
            latents = self.vae.encode(images).latent_dist.mode().float() * self.vae.config.scaling_factor
        ids = on_device(rows, "tokens", self.device).long()
        self.bank.put({
            "latents": latents,
            "text": self.encode(ids.flatten(0, 1)).view(*ids.shape, WIDTH),
            "parts": on_device(rows, "parts", self.device),
            "looks": on_device(rows, "looks", self.device),
        })  # fmt: skip

    def check(self) -> None:
        """Raise FloatingPointError if what was taken in so far is not all finite."""
        held = len(self.bank)
        spoiled = [name for name in ("latents", "text") if not self.bank.columns[name][:held].isfinite().all()]
        if spoiled:
            raise FloatingPointError(f"encoded pictures are not finite: {', '.join(spoiled)}")

    @torch.no_grad()
    def encode(self, ids: Tensor) -> Tensor:
        """Return the encodings (B, tokens, WIDTH) of tokens (B, tokens)."""
        encoded: Tensor = self.text(input_ids=ids.to(self.device))[0]
        return encoded


class Task:
    """What a UNet has to do: find what was noise in noisy latents, each place counting what it is worth."""

    def __init__(self, work: Path, device: torch.device) -> None:
        schedule = schedule_for(work)
        self._schedule = replace(schedule, alphas_cumprod=schedule.alphas_cumprod.to(device))
        self._weights = weights_of(schedule).to(device)
        self._device = device

    def loss(self, unet: Unet, columns: Mapping[str, Tensor], rows: Tensor, timesteps: Tensor, told: Tensor) -> Tensor:
        """Return how badly rows of a bank's pictures are denoised at timesteps (B,) with sequences `told`."""
        latents, parts = columns["latents"][rows].float(), columns["parts"][rows]
        noise = torch.randn_like(latents)
        noisy = self._schedule.add_noise(latents, noise, timesteps).contiguous(memory_format=torch.channels_last)
        with quickly(self._device):
            predicted = unet(noisy, timesteps, told).sample
        squares = (predicted.float() - self._schedule.target(latents, noise, timesteps)).pow(2).mean(1)
        known = torch.where(parts == UNKNOWN_PART, 0, parts)
        error = (squares * importance(known, MENAGERIE.subject)).flatten(1).mean(1)
        return torch.mean(error * self._weights[timesteps])


def generator_of(device: torch.device) -> torch.Generator:
    """Return the device's usual source of random numbers, which recorded steps can draw from."""
    if device.type != "cuda":
        return torch.default_generator
    return torch.cuda.default_generators[device.index or 0]


def open_subjects(work: Path, encoded: Encoded) -> Subjects:
    """Return the UNet and names in a work folder; names that are not there begin as captions."""
    if (work / NAMES_FILE).exists():
        names = open_names(work / NAMES_FILE, MENAGERIE.groups).requires_grad_(True)
    else:
        names = names_begun(MENAGERIE, open_text(work), open_tokenizer(work))
    return Subjects(open_unet(work, encoded.device).requires_grad_(True), names.to(encoded.device))


def open_unet(work: Path, device: torch.device) -> Unet:
    """Return the UNet in a work folder, float32, on a device.

    It multiplies attention out, as on the CPU, where it learns: with PyTorch's own all was NaN on an H100.
    """
    unet = UNet2DConditionModel.from_pretrained(work / "unet").float()
    unet.set_attn_processor(AttnProcessor())
    return unet.to(device, memory_format=torch.channels_last)


def save_subjects(subjects: Subjects, out: Path) -> None:
    """Write both into a work folder, in float16, in place of what is there; a kill leaves the one or the other."""
    unfinished = out / "unet.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    subjects.unet.half().save_pretrained(unfinished)
    scheduler_of(MENAGERIE).save_pretrained(out / "scheduler")
    replaced(out / NAMES_FILE, lambda path: save_names(subjects.names, path))
    shutil.rmtree(out / "unet", ignore_errors=True)
    unfinished.rename(out / "unet")


def replaced(path: Path, write: Callable[[Path], object]) -> None:
    """Have a file written beside its place and put there when it is whole."""
    unfinished = path.with_name(path.name + ".unfinished")
    write(unfinished)
    unfinished.replace(path)


def learner_of(work: Path, board: Path, device: torch.device, rows_a_step: int) -> tuple[Learner[Subjects], Encoded]:
    """Return a training of the UNet in a work folder, and what it learns from."""
    encoded = Encoded(work, board, device)
    subjects = open_subjects(work, encoded)
    task, generator = Task(work, device), generator_of(device)
    columns = encoded.bank.columns

    def loss_of() -> Tensor:
        rows = encoded.bank.draw(rows_a_step // 2, 2)
        looks = columns["looks"][rows]
        drawn = torch.rand(2, len(rows), device=device)
        called = ~looks.isnan().any(1) & (drawn[0] < NAMED)
        which = torch.randint(CAPTIONS, (len(rows),), device=device)
        which = torch.where(called & (drawn[1] < PLAINLY), CAPTIONS - 1, which)
        names = subjects.names(hidden(looks.nan_to_num(), MENAGERIE.groups, generator)) * called[:, None, None]
        sequence = mix_tails(columns["text"][rows, which].float(), encoded.empty, generator, names)
        timesteps = draw_timesteps(len(rows), generator, LATE)
        return task.loss(subjects.unet, columns, rows, timesteps, sequence)

    return Learner(subjects, loss_of, RATE, device), encoded
