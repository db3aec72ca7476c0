"""Draws latents with a UNet, decodes them, and makes the sheet that shows how a training goes."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from core.diffusion.sampling import SolverState, guide, make_sampler
from core.diffusion.schedule import Schedule
from pretrain.captions.tokenizer import open_tokenizer
from pretrain.drawing.pictures import to_bytes
from pretrain.drawing.sheet import sheet
from pretrain.training.models import Unet, Vae
from pretrain.training.schedule import schedule_of
from pretrain.training.text import open_text, tokens
from pretrain.training.vae import open_vae
from pretrain.worlds import world_of

GUIDANCE = 3.0
SAMPLING_STEPS = 25
PROMPTS = (
    "a standing dog on the grass",
    "a sitting dog on the beach",
    "a jumping brown cat with white spots in the snow",
    "a pink pig lying down in a room",
    "a running golden fox in the desert",
    "a standing elephant in the city",
    "a watercolor painting of a sitting rabbit in the forest",
    "a pencil sketch of a jumping bear in the city",
    "pixel art of a standing sheep at night",
    "an oil painting of a running orange cat on the beach",
    "a sitting gray bear wearing a red scarf in a room",
    "neon art of a standing fox at night",
    "a sitting dog",
    "a jumping purple rabbit with a yellow belly wearing a green hat on the grass",
    "a blue sheep lying down in the snow",
    "a running white pig wearing black glasses on a plain background",
)


@torch.no_grad()
def sample(
    unet: Unet, schedule: Schedule, sequence: Tensor, empty: Tensor, seeds: list[int], *, guidance: float = GUIDANCE
) -> Tensor:
    """sequence: (B, tokens, width), empty: (tokens, width); a seed a row. Returns scaled latents (B, C, 16, 16)."""
    sampler = make_sampler("ddim", schedule, SAMPLING_STEPS)
    state: SolverState | None = None
    noise = [
        torch.randn(unet.config.in_channels, 16, 16, generator=torch.Generator().manual_seed(seed)) for seed in seeds
    ]
    latents = torch.stack(noise)
    both = torch.cat([empty.expand_as(sequence), sequence])
    for index, timestep in enumerate(sampler.timesteps):
        twice = torch.cat([latents, latents]).contiguous(memory_format=torch.channels_last)
        free, told = unet(twice, timestep, both).sample.chunk(2)
        latents, state = sampler.step(index, latents, guide(free, told, guidance), state)
    return latents


@torch.no_grad()
def decode(vae: Vae, latents: Tensor) -> NDArray[np.uint8]:
    """Scaled latents (B, C, 16, 16) to pictures (B, size, size, 3)."""
    return to_bytes(vae.decode(latents / vae.config.scaling_factor).sample)


def sample_sheet(folder: Path, unet: Unet) -> Image.Image:
    """Return what the UNet makes of `PROMPTS`, always from the same noise."""
    text, tokenizer = open_text(folder), open_tokenizer(folder)
    with torch.no_grad():
        sequence = text(input_ids=tokens(tokenizer, ["", *PROMPTS]))[0]
    latents = sample(unet, schedule_of(world_of(folder)), sequence[1:], sequence[0], list(range(len(PROMPTS))))
    return sheet([Image.fromarray(picture) for picture in decode(open_vae(folder), latents)], 8, 2)
