"""Trains the UNet on cached latents and the frozen text encoder."""

from pathlib import Path

import torch
from torch import Tensor

from core.diffusion.schedule import Schedule
from pretrain.captions.tokenizer import open_tokenizer
from pretrain.training.latents import RICH, Latents, lessons, open_latents
from pretrain.training.models import TextEncoder, Tokenizer, UNet2DConditionModel
from pretrain.training.sampling import sample_sheet
from pretrain.training.schedule import STEPS, draw_timesteps, emphasis_of, schedule_for, scheduler_of, weights_of
from pretrain.training.text import open_text, tokens
from pretrain.training.trainer import Budget, Trainer
from pretrain.training.unet.denoiser import Denoiser, importance, misaligned, misplaced, new_unet
from pretrain.training.unet.mixing import mix_tails
from pretrain.training.unet.names import NAMES_FILE, Names, hidden, open_names, save_names, with_tail_added
from pretrain.training.unet.wording import names_begun
from pretrain.worlds import World, world_of

PARTS_WEIGHT = 0.1
HELD_OUT = 256
ALIGNED_WEIGHT = 0.5
NAMED = 0.6  # share of the pictures whose animals are called by their names
PLAINLY = 0.6  # share of these with a plain caption before the name, as edits mostly have; the others as it comes


def train_unet(folder: Path, budget: Budget, rate: float, bfloat16: bool = False, pairs: int = 4) -> None:
    """Train (or take up) the UNet on the frozen text encoder; afterwards its average lies in folder/unet.

    A step takes `pairs` pairs of pictures in each process. Without a checkpoint it begins with
    the weights in folder/unet, or with fresh ones if there are none.
    """
    data, held = lessons(folder), open_latents(folder, "development")
    text, tokenizer, schedule = open_text(folder), open_tokenizer(folder), schedule_for(folder)
    weights, emphasis = weights_of(schedule), emphasis_of(schedule)
    empty = text(input_ids=tokens(tokenizer, [""]))[0][0]
    torch.manual_seed(0)
    known = (folder / "unet").exists()
    world = world_of(folder)
    unet = UNet2DConditionModel.from_pretrained(folder / "unet").float() if known else new_unet(world)
    judged = 0 if data.judged is None else data.judged.shape[1]
    taught = folder / NAMES_FILE if known and (folder / NAMES_FILE).exists() else None
    denoiser = Denoiser(unet, judged, _names(taught, world, text, tokenizer) if world.looks_of else None)
    trainer = Trainer(denoiser, folder / "unet.pt", rate)

    def loss_of(_step: int, generator: torch.Generator) -> Tensor:
        rows = _pairs(data, pairs, generator)
        which, names = torch.randint(RICH + 1, (len(rows),), generator=generator), None
        if denoiser.names is not None:
            looks = data.told(rows)
            called = ~looks.isnan().any(1) & (torch.rand(len(looks), generator=generator) < NAMED)
            which[called & (torch.rand(len(looks), generator=generator) < PLAINLY)] = RICH
            names = denoiser.names(hidden(looks.nan_to_num(), world.groups, generator)) * called[:, None, None]
        latents, ids, parts = data.batch(rows, which.tolist())
        sequence = mix_tails(text(input_ids=ids)[0], empty, generator, names)
        timesteps = draw_timesteps(len(latents), generator, emphasis)
        noise = torch.randn(latents.shape, generator=generator)
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            predicted, seen, aligned = denoiser(schedule.add_noise(latents, noise, timesteps), timesteps, sequence)
        squares = (predicted.float() - schedule.target(latents, noise, timesteps)).pow(2).mean(1)
        error = (squares * importance(parts, world.subject)).flatten(1).mean(1)
        loss = torch.mean(error * weights[timesteps]) + PARTS_WEIGHT * misplaced(seen.float(), parts)
        if aligned is not None:
            loss = loss + ALIGNED_WEIGHT * misaligned(aligned, data.judgement(rows))
        return loss

    def on_save() -> None:
        average = trainer.average
        for named in (False,) if average.names is None else (False, True):
            quarters = held_out_loss(average, text, held, schedule, named)
            shown = " ".join(f"{value:.4f}" for value in quarters)
            what = "plain captions and names" if named else "captions"
            print(f"held-out loss, {what}, {sum(quarters) / 4:.4f} by quarter of t [{shown}]", flush=True)
        average.unet.save_pretrained(folder / "unet")
        if average.names is not None:
            save_names(average.names, folder / NAMES_FILE)
        scheduler_of(world).save_pretrained(folder / "scheduler")  # what the weights were trained with
        sample_sheet(folder, average.unet).save(folder / f"samples-{trainer.step:06d}.png")

    trainer.train(loss_of, budget, on_save, save_minutes=7)


def _pairs(data: Latents, count: int, generator: torch.Generator) -> list[int]:
    firsts = torch.randint(len(data) // 2, (count,), generator=generator) * 2
    rows: list[int] = torch.stack([firsts, firsts + 1], 1).flatten().tolist()
    return rows


def _names(taught: Path | None, world: World, text: TextEncoder, tokenizer: Tokenizer) -> Names:
    """Return the names in the file of those that the UNet was taught, or ones that begin as captions."""
    return open_names(taught, world.groups).requires_grad_(True) if taught else names_begun(world, text, tokenizer)


@torch.no_grad()
def held_out_loss(
    denoiser: Denoiser, text: TextEncoder, held: Latents, schedule: Schedule, named: bool = False
) -> list[float]:
    """Return the plain error of the noise or v on held-out pictures, by quarter of t, little noise first.

    With captions, or `named` with plain ones and the individuals' names behind them.
    """
    count = min(HELD_OUT, len(held))
    latents, ids, _ = held.batch(list(range(count)), [RICH if named else 0] * count)
    timesteps = torch.arange(count) * STEPS // count
    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(5))
    errors = []
    for rows in torch.split(torch.arange(count), 32):
        noisy = schedule.add_noise(latents[rows], noise[rows], timesteps[rows])
        sequence = text(input_ids=ids[rows])[0]
        if named and denoiser.names is not None:
            sequence = with_tail_added(sequence, denoiser.names(held.told(rows.tolist())))
        predicted = denoiser(noisy, timesteps[rows], sequence)[0]
        errors.append(
            (predicted - schedule.target(latents[rows], noise[rows], timesteps[rows])).pow(2).flatten(1).mean(1)
        )
    return [float(quarter.mean()) for quarter in torch.cat(errors).chunk(4)]
