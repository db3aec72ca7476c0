"""Trains the UNet on cached latents and the frozen text encoder."""

from pathlib import Path
from typing import Any

import torch
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor, nn
from torch.nn import functional

from core.diffusion.schedule import Schedule
from pretrain.captions.tokenizer import open_tokenizer
from pretrain.drawing.pen import PARTS
from pretrain.training.latents import RICH, Latents, lessons, open_latents
from pretrain.training.models import TextEncoder, Unet, UNet2DConditionModel
from pretrain.training.sampling import sample_sheet
from pretrain.training.schedule import STEPS, draw_timesteps, schedule_for, scheduler_of, weights_of
from pretrain.training.text import WIDTH, open_text, tokens
from pretrain.training.trainer import Budget, Trainer
from pretrain.worlds import CRITTERS, World, world_of

TAIL = 5
PARTS_WEIGHT = 0.1
HELD_OUT = 256
ALIGNED_WEIGHT = 0.5
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
    """

    def __init__(self, unet: Unet, judged: int = 0) -> None:
        super().__init__()
        self.unet = unet.to(memory_format=torch.channels_last)
        unet.set_attn_processor(AttnProcessor())  # heads of 24 channels: PyTorch's fused one is far slower backwards
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


def _misplaced(seen: Tensor, parts: Tensor) -> Tensor:
    """Return how badly the parts are told, where they are known: (B, parts, 16, 16) against (B, 16, 16)."""
    known = (parts >= 0).sum().clamp(min=1)
    return functional.cross_entropy(seen, parts, reduction="sum") / known


def misaligned(seen: Tensor, judged: Tensor) -> Tensor:
    """Return one minus the mean cosine between the UNet's and the judge's features, (B, C, 8, 8) each."""
    return 1 - functional.cosine_similarity(seen.float(), judged, dim=1).mean()


def mix_tails(sequence: Tensor, empty: Tensor, generator: torch.Generator) -> Tensor:
    """sequence: (B, 32, WIDTH) of pairs that share their looks; empty: (32, WIDTH). Returns the same with other tails.

    Half of the rows keep their own last five vectors; of the others most get their partner's (same looks, another
    scene), some those of a stranger. So the head alone carries the scene, and a tail is a place to find looks in. A
    tenth of the rows becomes the empty text, for guidance.
    """
    rows = len(sequence)
    partner = torch.arange(rows) ^ 1
    stranger = torch.randperm(rows, generator=generator)
    draw = torch.rand(rows, generator=generator)
    source = torch.where(draw < 0.5, torch.arange(rows), torch.where(draw < 0.82, partner, stranger))
    mixed = torch.cat([sequence[:, :-TAIL], sequence[source, -TAIL:]], 1)
    dropped = torch.rand(rows, generator=generator) < 0.1
    return torch.where(dropped[:, None, None], empty, mixed)


def train_unet(folder: Path, budget: Budget, rate: float, bfloat16: bool = False, pairs: int = 4) -> None:
    """Train (or take up) the UNet on the frozen text encoder; afterwards its average lies in folder/unet.

    A step takes `pairs` pairs of pictures in each process. Without a checkpoint it begins with
    the weights in folder/unet, or with fresh ones if there are none.
    """
    data, held = lessons(folder), open_latents(folder, "development")
    text, schedule = open_text(folder), schedule_for(folder)
    weights = weights_of(schedule)
    empty = text(input_ids=tokens(open_tokenizer(folder), [""]))[0][0]
    torch.manual_seed(0)
    known = (folder / "unet").exists()
    unet = UNet2DConditionModel.from_pretrained(folder / "unet").float() if known else new_unet(world_of(folder))
    denoiser = Denoiser(unet, 0 if data.judged is None else data.judged.shape[1])
    trainer = Trainer(denoiser, folder / "unet.pt", rate)

    def loss_of(_step: int, generator: torch.Generator) -> Tensor:
        rows = _pairs(data, pairs, generator)
        latents, ids, parts = data.batch(rows, torch.randint(RICH + 1, (len(rows),), generator=generator).tolist())
        sequence = mix_tails(text(input_ids=ids)[0], empty, generator)
        timesteps = draw_timesteps(len(latents), generator)
        noise = torch.randn(latents.shape, generator=generator)
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            predicted, seen, aligned = denoiser(schedule.add_noise(latents, noise, timesteps), timesteps, sequence)
        error = (predicted.float() - schedule.target(latents, noise, timesteps)).pow(2).flatten(1).mean(1)
        loss = torch.mean(error * weights[timesteps]) + PARTS_WEIGHT * _misplaced(seen.float(), parts)
        if aligned is not None:
            loss = loss + ALIGNED_WEIGHT * misaligned(aligned, data.judgement(rows))
        return loss

    def on_save() -> None:
        average = trainer.average
        quarters = held_out_loss(average, text, held, schedule)
        shown = " ".join(f"{value:.4f}" for value in quarters)
        print(f"held-out loss {sum(quarters) / 4:.4f} by quarter of t [{shown}]", flush=True)
        average.unet.save_pretrained(folder / "unet")
        scheduler_of(world_of(folder)).save_pretrained(folder / "scheduler")  # what the weights were trained with
        sample_sheet(folder, average.unet).save(folder / f"samples-{trainer.step:06d}.png")

    trainer.train(loss_of, budget, on_save, save_minutes=7)


def _pairs(data: Latents, count: int, generator: torch.Generator) -> list[int]:
    firsts = torch.randint(len(data) // 2, (count,), generator=generator) * 2
    rows: list[int] = torch.stack([firsts, firsts + 1], 1).flatten().tolist()
    return rows


@torch.no_grad()
def held_out_loss(denoiser: Denoiser, text: TextEncoder, held: Latents, schedule: Schedule) -> list[float]:
    """Return the plain error of the noise or v on held-out pictures, by quarter of t, little noise first."""
    count = min(HELD_OUT, len(held))
    latents, ids, _ = held.batch(list(range(count)), [0] * count)
    timesteps = torch.arange(count) * STEPS // count
    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(5))
    errors = []
    for rows in torch.split(torch.arange(count), 32):
        noisy = schedule.add_noise(latents[rows], noise[rows], timesteps[rows])
        predicted = denoiser(noisy, timesteps[rows], text(input_ids=ids[rows])[0])[0]
        errors.append(
            (predicted - schedule.target(latents[rows], noise[rows], timesteps[rows])).pow(2).flatten(1).mean(1)
        )
    return [float(quarter.mean()) for quarter in torch.cat(errors).chunk(4)]
