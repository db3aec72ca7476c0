"""Trains a tail prior on a frozen backbone: from one picture of an individual to a tail that shows it in another."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.diffusion.prior import LookingEncoder, TailPrior, save_prior
from core.diffusion.schedule import Schedule
from pretrain.captions.tokenizer import open_tokenizer
from pretrain.drawing.pictures import to_tensor
from pretrain.judging.judge import ENCODER, open_judge
from pretrain.menagerie import judge as menagerie
from pretrain.training.latents import encode
from pretrain.training.models import TextEncoder, Unet, UNet2DConditionModel
from pretrain.training.naming import teach_names
from pretrain.training.parallel import spread
from pretrain.training.schedule import STEPS, schedule_for, weights_of
from pretrain.training.text import WIDTH, open_text, tokens
from pretrain.training.trainer import Budget, Trainer
from pretrain.training.unet.names import NAMES_FILE, TAIL, open_names, with_tail_added
from pretrain.training.vae import open_vae
from pretrain.worlds import CRITTERS, world_of

SCENES = 4  # of each individual
BATCH = 16
HELD_OUT = 64  # individuals behind those that are trained on
RATES = {"critters": 1e-3, "menagerie": 1e-4}  # with 1e-3 the menagerie's is soon worse than no tail
TIMESTEPS = (300, 900)  # where an individual's looks are decided; to the end where noise hides colors only there
_FIRST = 51_000_000  # the first individual's seed, beyond those that the backbone was trained on
_CHUNK = 50
_FILES = ("images", "latents", "tokens")


@dataclass(frozen=True)
class Individuals:
    """N individuals in `SCENES` scenes each: images (N, SCENES, size, size, 3), latents, plain captions' tokens."""

    images: NDArray[np.uint8]
    latents: NDArray[np.float16]
    tokens: NDArray[np.int16]

    def pairs(self, rows: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Return, for each individual in `rows` (B,), one picture and what another scene of it is.

        The picture (B, 3, size, size) in -1..1, the other's latents (B, C, 16, 16) and its tokens (B, T).
        """
        source = torch.randint(SCENES, rows.shape, generator=generator)
        target = (source + torch.randint(1, SCENES, rows.shape, generator=generator)) % SCENES
        who, of, to = rows.numpy(), source.numpy(), target.numpy()
        ids = torch.from_numpy(self.tokens[who, to].astype(np.int64))
        return to_tensor(self.images[who, of]), torch.from_numpy(self.latents[who, to]).float(), ids


def draw_individuals(folder: Path, count: int, processes: int) -> Individuals:
    """Return `count` individuals, drawn and encoded once and kept in `folder`."""
    paths = [folder / f"prior-{_FIRST}-{what}.npy" for what in _FILES]
    if not paths[0].exists() or len(np.load(paths[0], mmap_mode="r")) < count:
        parts = spread(partial(_encode, folder), range(0, count, _CHUNK), processes)
        for path, found in reversed(list(zip(paths, zip(*parts, strict=True), strict=True))):
            np.save(path, np.concatenate(found)[:count])
    return Individuals(*(np.load(path, mmap_mode="r")[:count] for path in paths))


@torch.no_grad()
def _encode(folder: Path, first: int) -> tuple[NDArray[np.uint8], NDArray[np.float16], NDArray[np.int16]]:
    world, vae, tokenizer = world_of(folder), open_vae(folder), open_tokenizer(folder)
    images, latents, ids = [], [], []
    for index in range(first, first + _CHUNK):
        scenes = world.scenes_of(_FIRST + index, SCENES)
        drawn = np.stack([np.asarray(world.draw(scene)[0]) for scene in scenes])
        images.append(drawn)
        latents.append(encode(vae, to_tensor(drawn)).numpy())
        ids.append(tokens(tokenizer, [world.plain_caption(scene) for scene in scenes]).numpy())
    return np.stack(images), np.stack(latents).astype(np.float16), np.stack(ids).astype(np.int16)


@dataclass(frozen=True)
class Frozen:
    """The backbone that a prior is for."""

    unet: Unet
    text: TextEncoder
    schedule: Schedule

    @cached_property
    def weights(self) -> Tensor:
        """What an error counts at each timestep."""
        return weights_of(self.schedule)


def new_prior(folder: Path) -> TailPrior:
    """Return a prior with the trained reader's encoder, which stays as it is, and a fresh head."""
    world, path = world_of(folder), folder / "judges" / "judge_reader.safetensors"
    torch.manual_seed(0)
    if world is CRITTERS:
        prior, encoder = TailPrior(*ENCODER, TAIL, WIDTH), open_judge("reader", path).body
    else:
        prior = TailPrior(world.size, menagerie.READER, LookingEncoder.FEATURES, TAIL, WIDTH, looking=True)
        encoder = menagerie.open_judge("reader", path).encoder
    prior.encoder.load_state_dict(encoder.state_dict())
    prior.encoder.requires_grad_(False)
    return prior


def begin_with_names(prior: TailPrior, folder: Path, data: Individuals, count: int) -> None:
    """Teach a fresh prior the names of the first `count` individuals, where the UNet was taught names."""
    world = world_of(folder)
    names = open_names(folder / NAMES_FILE, world.groups)
    told = [world.looks_of(world.scenes_of(_FIRST + index, 1)[0]) for index in range(count)] if world.looks_of else []
    unknown = teach_names(prior, names, data.images[:count], torch.tensor(told))
    print(f"names: {100 * unknown:.1f} % of their variance is not known", flush=True)


def train_prior(folder: Path, budget: Budget, individuals: int, processes: int, bfloat16: bool = False) -> None:
    """Train (or take up) the prior of the backbone in `folder`; afterwards its average is folder/prior.safetensors.

    It begins with the names that the UNet was taught, if it was; remove prior.pt to begin with those of a later UNet.

    `bfloat16` runs the backbone in it, where that is faster.
    """
    data = draw_individuals(folder, individuals + HELD_OUT, processes)
    unet: Unet = UNet2DConditionModel.from_pretrained(folder / "unet").float().eval().requires_grad_(False)
    unet = unet.to(memory_format=torch.channels_last)
    frozen = Frozen(unet, open_text(folder), schedule_for(folder))
    prior = new_prior(folder)
    if not (folder / "prior.pt").exists() and (folder / NAMES_FILE).exists():
        begin_with_names(prior, folder, data, individuals)
    trainer = Trainer(prior, folder / "prior.pt", RATES[world_of(folder).name])

    def loss_of(_step: int, generator: torch.Generator) -> Tensor:
        pairs = data.pairs(torch.randint(individuals, (BATCH,), generator=generator), generator)
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            return loss(trainer.module, frozen, pairs, generator)

    def on_save() -> None:
        rows = torch.arange(individuals, individuals + HELD_OUT)
        with torch.no_grad():
            told, plain = (
                float(loss(prior, frozen, data.pairs(rows, generator), generator))
                for prior in (trainer.average, None)
                for generator in [torch.Generator().manual_seed(3)]
            )
        print(f"held-out loss with the prior {told:.5f}, with the plain prompt alone {plain:.5f}", flush=True)
        save_prior(trainer.average, folder / "prior.safetensors")

    trainer.train(loss_of, budget, on_save, save_minutes=2)


def loss(
    prior: TailPrior | None,
    frozen: Frozen,
    pairs: tuple[Tensor, Tensor, Tensor],
    generator: torch.Generator,
) -> Tensor:
    """Return how badly the other scenes are denoised with their plain prompts and the tails guessed; None: no tails."""
    images, latents, ids = pairs
    schedule = frozen.schedule
    sequence = frozen.text(input_ids=ids)[0]
    if prior is not None:
        sequence = with_tail_added(sequence, prior(images))
    low, high = TIMESTEPS[0], STEPS if schedule.ends_in_noise else TIMESTEPS[1]
    timesteps = torch.randint(low, high, (len(latents),), generator=generator)
    noise = torch.randn(latents.shape, generator=generator)
    noisy = schedule.add_noise(latents, noise, timesteps).contiguous(memory_format=torch.channels_last)
    target = schedule.target(latents, noise, timesteps)
    error = (frozen.unet(noisy, timesteps, sequence).sample.float() - target).pow(2).flatten(1).mean(1)
    return torch.mean(error * frozen.weights[timesteps])
