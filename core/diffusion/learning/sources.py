"""The pictures that a tail is learned from, each with the prompt that says what it shows, and where a tail begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from core.diffusion.conditioning import Conditioning
from core.diffusion.learning.preview import fit_rgb
from core.diffusion.requests import EncodeImage, EncodePrompt, GuessTail, Routine
from core.models.parameters import PersonalizeParams


@dataclass(frozen=True, eq=False)
class Source:
    """One picture of the subject, `image` (3, H, W) in -1..1, and its prompt."""

    image: Tensor
    prompt: str


@dataclass(frozen=True, eq=False)
class EncodedSource:
    """A source as the backbone knows it: latents (C, h, w), conditioning, and how far its own end is from the tail's.

    `offset` (n, D) is the last vectors of its prompt minus those at which the common tail begins; None for nothing.
    `rgb` (3, C+1) is the map from its latents to colors, for previews; None without them.
    """

    latents: Tensor
    conditioning: Conditioning
    offset: Tensor | None = None
    rgb: Tensor | None = None

    def with_tail(self, tail: Tensor) -> Conditioning:
        """Return its conditioning with the common tail (n, D), of which it gets what was learned beyond the beginning.

        So does an edit with `tail_mode` residual: what one prompt writes into its last vectors stays with its picture.
        """
        return self.conditioning.with_tail(tail if self.offset is None else tail + self.offset)


def encode(sources: Sequence[Source], params: PersonalizeParams, seed: int) -> Routine[list[EncodedSource]]:
    """Encode all pictures and prompts, together; the first picture comes out as it does alone."""
    prompts = [source.prompt for source in sources]
    conditionings: Sequence[Conditioning] = yield from encode_prompts(prompts)
    posteriors = yield tuple(EncodeImage(source.image) for source in sources)
    rng = Generator().manual_seed(seed ^ 0x5EED)
    latents = [_latents(mean, std, params, rng) for mean, std in posteriors]
    offsets = _offsets(conditionings, params.positions)
    maps = [
        fit_rgb(source.image, own) if params.previews else None for source, own in zip(sources, latents, strict=True)
    ]
    return [EncodedSource(*parts) for parts in zip(latents, conditionings, offsets, maps, strict=True)]


def encode_prompts(prompts: Sequence[str]) -> Routine[list[Conditioning]]:
    """Encode each of several prompts, one that comes again only once."""
    different = list(dict.fromkeys(prompts))
    found = yield tuple(EncodePrompt(prompt) for prompt in different)
    by_prompt = dict(zip(different, found, strict=True))
    return [by_prompt[prompt] for prompt in prompts]


def beginning(conditionings: Sequence[Conditioning], positions: int) -> Tensor:
    """Return where a tail (n, D) begins: at the last vectors of its prompt, or at the mean of its prompts'."""
    first = conditionings[0]
    if all(each is first for each in conditionings):  # bit for bit, which a mean would not be
        return first.tail(positions)
    return torch.stack([each.tail(positions) for each in conditionings]).mean(0)


def guess_tail(sources: Sequence[Source]) -> Routine[Tensor]:
    """Return what the model's prior guesses that the tail (n, D) adds to any prompt: of several pictures the mean."""
    guesses: Sequence[Tensor] = yield tuple(GuessTail(source.image) for source in sources)
    return torch.stack(list(guesses)).mean(0)


def _offsets(conditionings: Sequence[Conditioning], positions: int) -> list[Tensor | None]:
    if all(each is conditionings[0] for each in conditionings):
        return [None] * len(conditionings)
    common = beginning(conditionings, positions)
    return [each.tail(positions) - common for each in conditionings]


def _latents(mean: Tensor, std: Tensor, params: PersonalizeParams, rng: Generator) -> Tensor:
    """Return a picture's latents (C, h, w): the posterior's mean, or one sample that all steps share."""
    if params.posterior == "mean":
        return mean
    return mean + std * torch.randn(mean.shape, generator=rng, dtype=mean.dtype)
