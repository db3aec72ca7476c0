"""Where names begin: at what a caption that says the same adds to a prompt's last vectors."""

from __future__ import annotations

import random
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from pretrain.captions.tokenizer import open_tokenizer
from pretrain.training.models import TextEncoder, Tokenizer
from pretrain.training.parallel import rank
from pretrain.training.text import open_text, tokens
from pretrain.training.trainer import fit_rows
from pretrain.training.unet.names import NAMES_FILE, TAIL, Names, save_names
from pretrain.worlds import World, world_of

CAPTIONS = 20_000
STEPS = 4_000
_AT_ONCE = 200
_FIRST = 70_000_000  # the captions' seeds, behind those of everything that is drawn


def begin_names(folder: Path) -> None:
    """Have names in a work folder: where there are none they begin as captions, which takes minutes."""
    path = folder / NAMES_FILE
    if not path.exists():
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            save_names(names_begun(world_of(folder), open_text(folder), open_tokenizer(folder)), path)


def names_begun(world: World, text: TextEncoder, tokenizer: Tokenizer) -> Names:
    """Return names that begin as captions."""
    names = Names(world.groups)
    unsaid = begin_with_words(names, world, text, tokenizer)
    if rank() == 0:
        print(f"names begin as captions: {100 * unsaid:.1f} % of what those add is not said by names", flush=True)
    return names


def begin_with_words(names: Names, world: World, text: TextEncoder, tokenizer: Tokenizer) -> float:
    """Fit names to captions, so that the UNet, which knows how to read those, can read a name from the beginning.

    A name of what a caption says (the rest zeros) is to be the difference of the caption's last vectors from those of
    the plain caption of its scene. Returns the share of the differences' variance that is not said by names.
    """
    looks, wanted = _said(world, text, tokenizer)
    fit_rows(names.parameters(), names, looks, wanted, steps=STEPS)
    with torch.no_grad():
        return float(functional.mse_loss(names(looks), wanted) / wanted.var(0).mean())


@torch.no_grad()
def _said(world: World, text: TextEncoder, tokenizer: Tokenizer) -> tuple[Tensor, Tensor]:
    """Return what `CAPTIONS` captions say, (N, numbers), and what they add to plain ones' ends, (N, TAIL, width)."""
    if world.said_as_numbers is None:
        raise ValueError(f"no caption of {world.name} is told as numbers")
    looks, wanted = [], []
    for first in range(0, CAPTIONS, _AT_ONCE):
        count = min(_AT_ONCE, CAPTIONS - first)
        scenes = [world.pair(_FIRST + first + index)[0] for index in range(count)]
        captions = [world.caption(scene, random.Random(_FIRST + first + k)) for k, scene in enumerate(scenes)]
        looks += [world.said_as_numbers(caption.said, caption.degrees) for caption in captions]
        texts = [caption.text for caption in captions] + [world.plain_caption(scene) for scene in scenes]
        full, plain = text(input_ids=tokens(tokenizer, texts))[0][:, -TAIL:].chunk(2)
        wanted.append(full - plain)
    return torch.tensor(looks), torch.cat(wanted)
