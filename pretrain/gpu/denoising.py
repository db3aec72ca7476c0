"""Trains the UNet, and the names that it reads, on pictures that are still being drawn."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from diffusers.models.attention_processor import AttnProcessor, AttnProcessor2_0
from torch import Tensor

from pretrain.captions.tokenizer import open_tokenizer
from pretrain.gpu.bank import Bank, Intake, as_images, on_device, quickly
from pretrain.gpu.board import ALIKE_CHUNK, CAPTIONS, CHUNK, OUTSIDE_CHUNK, PAIRS_CHUNK, Rows, open_board
from pretrain.gpu.learner import Learner
from pretrain.menagerie.names import WIDTH as LOOKS
from pretrain.menagerie.outside import UNKNOWN_PART
from pretrain.training.models import TextEncoder, Unet, UNet2DConditionModel, Vae
from pretrain.training.schedule import WHITE, draw_timesteps, schedule_for, scheduler_of, weights_of
from pretrain.training.text import WIDTH, open_text, tokens
from pretrain.training.unet import Denoiser, Names, hidden, mix_tails, open_names, save_names
from pretrain.training.unet.denoiser import importance, misplaced
from pretrain.training.unet.names import NAMES_FILE
from pretrain.training.unet.training import NAMED, PARTS_WEIGHT, PLAINLY
from pretrain.training.vae import open_vae
from pretrain.worlds import MENAGERIE

CAPACITY = 360_000  # pictures; 70 KB each
RATE = 4e-4  # 1e-3 undid much of what a trained UNet knew


class Encoded:
    """Latents, captions' encodings, parts and looks of what is drawn, taken from a board."""

    def __init__(self, work: Path, board: Path, device: torch.device, capacity: int = CAPACITY) -> None:
        self.work, self.device = work, device
        vae: Vae = open_vae(work)
        if vae.config.latent_channels != MENAGERIE.channels:
            raise ValueError(f"the latents of {work / 'vae'} are not white: run the stage `whiten`")
        self.vae = vae.to(device, memory_format=torch.channels_last)
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


@dataclass(frozen=True)
class Noisy:
    """What a UNet is asked of B pictures: noisy latents (B, C, 16, 16) at timesteps (B,), v, and the parts there.

    Parts (B, 16, 16) are -100 where nobody knows them, which cross entropy leaves out.
    """

    latents: Tensor
    timesteps: Tensor
    target: Tensor
    parts: Tensor


class Task:
    """What a UNet has to do: find what was noise in noisy latents, each place counting what it is worth."""

    def __init__(self, work: Path, device: torch.device) -> None:
        schedule = schedule_for(work)
        self._schedule = replace(schedule, alphas_cumprod=schedule.alphas_cumprod.to(device))
        self._weights = weights_of(schedule).to(device)

    def ask(self, columns: Mapping[str, Tensor], rows: Tensor, timesteps: Tensor) -> Noisy:
        """Return rows of a bank's pictures with noise of timesteps (B,)."""
        latents, parts = columns["latents"][rows].float(), columns["parts"][rows].long()
        noise = torch.randn_like(latents)
        noisy = self._schedule.add_noise(latents, noise, timesteps).contiguous(memory_format=torch.channels_last)
        known = torch.where(parts == UNKNOWN_PART, -100, parts)
        return Noisy(noisy, timesteps, self._schedule.target(latents, noise, timesteps), known)

    def error(self, predicted: Tensor, asked: Noisy) -> Tensor:
        """Return how wrong predictions of v (B, C, 16, 16) are."""
        squares = (predicted.float() - asked.target).pow(2).mean(1)
        errors = (squares * importance(asked.parts, MENAGERIE.subject)).flatten(1).mean(1)
        return torch.mean(errors * self._weights[asked.timesteps])


def generator_of(device: torch.device) -> torch.Generator:
    """Return the device's usual source of random numbers, which recorded steps can draw from."""
    if device.type != "cuda":
        return torch.default_generator
    return torch.cuda.default_generators[device.index or 0]


def open_denoiser(work: Path, device: torch.device, *, fused: bool) -> Denoiser:
    """Return the UNet and names in a work folder, the readers of the UNet's features fresh.

    `fused` attention writes no scores into memory, but depends on kernels whose gradients may be wrong: all were NaN on
    an H100, most likely with cuDNN's. Else it is multiplied out.
    """
    names = open_names(work / NAMES_FILE, MENAGERIE.groups).requires_grad_(True)
    denoiser = Denoiser(open_unet(work, device).requires_grad_(True), names=names).to(device)
    if fused:
        denoiser.unet.set_attn_processor(AttnProcessor2_0())  # type: ignore[no-untyped-call]
    return denoiser


def open_unet(work: Path, device: torch.device) -> Unet:
    """Return the UNet in a work folder, float32, on a device; it multiplies attention out, as on the CPU."""
    unet = UNet2DConditionModel.from_pretrained(work / "unet").float()
    unet.set_attn_processor(AttnProcessor())
    return unet.to(device, memory_format=torch.channels_last)


def save_denoiser(denoiser: Denoiser, out: Path) -> None:
    """Write UNet and names into a work folder, in float16, in place of what is there."""
    unfinished, names = out / "unet.unfinished", named(denoiser)
    shutil.rmtree(unfinished, ignore_errors=True)
    denoiser.unet.half().save_pretrained(unfinished)
    scheduler_of(MENAGERIE).save_pretrained(out / "scheduler")
    replaced(out / NAMES_FILE, lambda path: save_names(names, path))
    shutil.rmtree(out / "unet", ignore_errors=True)
    unfinished.rename(out / "unet")


def named(denoiser: Denoiser) -> Names:
    """Return the names that a denoiser learns with; ValueError if it has none."""
    if denoiser.names is None:
        raise ValueError("this UNet is taught no names")
    return denoiser.names


def replaced(path: Path, write: Callable[[Path], object]) -> None:
    """Have a file written beside its place and put there when it is whole."""
    unfinished = path.with_name(path.name + ".unfinished")
    write(unfinished)
    unfinished.replace(path)


def learner_of(encoded: Encoded, rows_a_step: int, *, fused: bool = False) -> Learner[Denoiser]:
    """Return a training of the UNet in the work folder of what it learns from.

    As on the CPU it is to tell from what it makes of the noise which part of an animal is where: without that (and at a
    higher rate) 2.5 million rows did not make a trained UNet's animals better.
    """
    device = encoded.device
    denoiser = open_denoiser(encoded.work, device, fused=fused)
    task, generator, names = Task(encoded.work, device), generator_of(device), named(denoiser)
    columns = encoded.bank.columns

    def loss_of() -> Tensor:
        rows = encoded.bank.draw(rows_a_step // 2, 2)
        looks = columns["looks"][rows]
        drawn = torch.rand(2, len(rows), device=device)
        called = ~looks.isnan().any(1) & (drawn[0] < NAMED)
        which = torch.randint(CAPTIONS, (len(rows),), device=device)
        which = torch.where(called & (drawn[1] < PLAINLY), CAPTIONS - 1, which)
        added = names(hidden(looks.nan_to_num(), MENAGERIE.groups, generator)) * called[:, None, None]
        sequence = mix_tails(columns["text"][rows, which].float(), encoded.empty, generator, added)
        asked = task.ask(columns, rows, draw_timesteps(len(rows), generator, WHITE))
        with quickly(device):
            predicted, seen, _ = denoiser(asked.latents, asked.timesteps, sequence)
        return task.error(predicted, asked) + PARTS_WEIGHT * misplaced(seen.float(), asked.parts)

    return Learner(denoiser, loss_of, RATE, device)
