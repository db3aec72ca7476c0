"""The exported model, opened to draw with."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.diffusion.schedule import Schedule
from pretrain.training.models import (
    AutoencoderKL,
    CLIPTextModel,
    CLIPTokenizer,
    TextEncoder,
    Tokenizer,
    Unet,
    UNet2DConditionModel,
    Vae,
)
from pretrain.training.sampling import GUIDANCE, decode, sample
from pretrain.training.schedule import read_schedule
from pretrain.training.text import tokens

BATCH = 8


@dataclass(frozen=True)
class Pipeline:
    """An exported model, frozen and float32."""

    tokenizer: Tokenizer
    text: TextEncoder
    unet: Unet
    vae: Vae
    schedule: Schedule

    @torch.no_grad()
    def encode(self, prompts: list[str]) -> Tensor:
        """Return the prompts' encodings, (B, tokens, width)."""
        sequence: Tensor = self.text(input_ids=tokens(self.tokenizer, prompts))[0]
        return sequence

    @torch.no_grad()
    def draw(self, sequence: Tensor, first_seed: int = 0, guidance: float = GUIDANCE) -> NDArray[np.uint8]:
        """sequence: (B, tokens, width). Return pictures (B, size, size, 3); row k's noise has the seed first + k."""
        empty = self.encode([""])[0]
        pictures = []
        for first in range(0, len(sequence), BATCH):
            rows = sequence[first : first + BATCH]
            seeds = list(range(first_seed + first, first_seed + first + len(rows)))
            pictures.append(decode(self.vae, sample(self.unet, self.schedule, rows, empty, seeds, guidance=guidance)))
        return np.concatenate(pictures)


def open_pipeline(folder: Path) -> Pipeline:
    """Return the pipeline exported into a folder."""
    text = CLIPTextModel.from_pretrained(folder / "text_encoder", dtype=torch.float32)
    unet = UNet2DConditionModel.from_pretrained(folder / "unet").float().to(memory_format=torch.channels_last)
    vae = AutoencoderKL.from_pretrained(folder / "vae").float()
    for part in (text, unet, vae):
        part.eval().requires_grad_(False)
    return Pipeline(CLIPTokenizer.from_pretrained(folder / "tokenizer"), text, unet, vae, read_schedule(folder))
