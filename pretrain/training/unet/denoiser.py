"""The UNet, and what reads its inner features while it trains."""

from typing import Any

import torch
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor, nn
from torch.nn import functional

from pretrain.drawing.pen import PARTS
from pretrain.training.models import Unet, UNet2DConditionModel
from pretrain.training.text import WIDTH
from pretrain.training.unet.names import Names
from pretrain.worlds import CRITTERS, World

_DOWN, _UP = "CrossAttnDownBlock2D", "CrossAttnUpBlock2D"


def new_unet(world: World) -> Unet:
    """Return a UNet for 16x16 latents with fresh weights; the menagerie's reads the text at the highest level, too."""
    small = world is CRITTERS
    return UNet2DConditionModel(
        sample_size=16,
        in_channels=world.channels,
        out_channels=world.channels,
        block_out_channels=(64, 128, 192) if small else (96, 160, 224),
        down_block_types=("DownBlock2D" if small else _DOWN, _DOWN, _DOWN),
        up_block_types=(_UP, _UP, "UpBlock2D" if small else _UP),
        layers_per_block=1,
        cross_attention_dim=WIDTH,
        attention_head_dim=4,  # the NUMBER of heads: diffusers keeps the old name
        norm_num_groups=16,
    )


class Denoiser(nn.Module):
    """The UNet, and while it trains readers of its inner features: of the animal's parts, of what a judge sees.

    Their losses make the UNet place head, legs and coat early, where the noise loss has hardly a gradient. `judged`
    is how many channels the judge's features have that it is aligned with (as REPA does, arXiv 2410.06940); 0 for none.
    `names` is what individuals are called by, if their world tells all of their looks.
    """

    def __init__(self, unet: Unet, judged: int = 0, names: Names | None = None) -> None:
        super().__init__()
        self.unet = unet.to(memory_format=torch.channels_last)
        unet.set_attn_processor(AttnProcessor())  # heads of 24 channels: PyTorch's fused one is far slower backwards
        self.names = names
        bottom, middle = unet.config.block_out_channels[-1:-3:-1]
        self.parts = nn.Conv2d(middle, len(PARTS), 1)
        self.judged = (
            nn.Sequential(nn.Conv2d(bottom, bottom, 1), nn.SiLU(), nn.Conv2d(bottom, judged, 1)) if judged else None
        )

    def forward(self, noisy: Tensor, timesteps: Tensor, sequence: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """noisy: (B, C, 16, 16), sequence: (B, tokens, WIDTH).

        Returns the noise (or v), scores (B, parts, 16, 16), and what the judge may see (B, judged, 8, 8).
        """
        features: list[Tensor] = []

        def keep(_block: nn.Module, _inputs: Any, output: Tensor) -> None:
            features.append(output)

        hooks = [self.unet.up_blocks[level].register_forward_hook(keep) for level in (0, 1)]
        noise: Tensor = self.unet(noisy.contiguous(memory_format=torch.channels_last), timesteps, sequence).sample
        for hook in hooks:
            hook.remove()
        return noise, self.parts(features[1]), self.judged(features[0]) if self.judged else None


def misplaced(seen: Tensor, parts: Tensor) -> Tensor:
    """Return how badly the parts are told, where they are known: (B, parts, 16, 16) against (B, 16, 16)."""
    known = (parts >= 0).sum().clamp(min=1)
    return functional.cross_entropy(seen, parts, reduction="sum") / known


def misaligned(seen: Tensor, judged: Tensor) -> Tensor:
    """Return one minus the mean cosine between the UNet's and the judge's features, (B, C, 8, 8) each."""
    return 1 - functional.cosine_similarity(seen.float(), judged, dim=1).mean()


def importance(parts: Tensor, subject: float) -> Tensor:
    """Return what each place's error counts, (B, 16, 16), 1 in each picture's mean: `subject` times where an animal is.

    Where nobody knows the parts, as in others' drawings, all places count the same.
    """
    counts = torch.where(parts > 0, subject, 1.0)
    return counts / counts.mean((1, 2), keepdim=True)
