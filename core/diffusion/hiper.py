"""Highly Personalized Text Embedding (Han et al. 2023, arXiv 2303.08767) as routines: optimize a tail, edit with it."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Generator, Tensor

from core.diffusion.conditioning import Conditioning
from core.diffusion.denoising import sample
from core.diffusion.learning.preview import Preview, is_due, to_rgb
from core.diffusion.learning.sources import EncodedSource, Source, beginning, encode, encode_prompts, guess_tail
from core.diffusion.learning.training import Training
from core.diffusion.requests import AdamStep, EncodePrompt, LossAndGrad, NoiseLoss, Report, Routine
from core.diffusion.schedule import Schedule
from core.models.parameters import EditParams, PersonalizeParams

log = logging.getLogger(__name__)

MOST_BAD_STEPS = 20  # in a row: float16 overflows now and then, a broken picture or backbone always


class NonFiniteLossError(RuntimeError):
    """The loss was not finite in many steps in a row: this picture and these settings lead nowhere."""


def personalize(
    *,
    sources: Sequence[Source],
    params: PersonalizeParams,
    schedule: Schedule,
    seed: int,
    checkpoint: dict[str, Tensor] | None = None,
) -> Routine[Tensor]:
    """Learn the tail (n, D), float32, of the subject that one or more pictures show: encode them, and `learn`."""
    encoded = yield from encode(sources, params, seed)
    return (
        yield from learn(
            sources=sources, encoded=encoded, params=params, schedule=schedule, seed=seed, checkpoint=checkpoint
        )
    )


def learn(
    *,
    sources: Sequence[Source],
    encoded: Sequence[EncodedSource],
    params: PersonalizeParams,
    schedule: Schedule,
    seed: int,
    checkpoint: dict[str, Tensor] | None = None,
) -> Routine[Tensor]:
    """Learn the tail (n, D), float32, of the subject that pictures show, which are `encoded` already.

    Only the tail is optimized, with Adam on the noise-prediction loss (HiPer, section 3.2); each step draws one of the
    pictures. Every step ends in a `Report` with a checkpoint, from which a later attempt goes on; from one that
    doesn't fit it begins again, with a word in the log. Raises NonFiniteLossError.
    """
    begin = beginning([source.conditioning for source in encoded], params.positions)
    if params.beginning == "prior":
        begin = begin + (yield from guess_tail(sources))
    state, done = _start(begin, params, seed, checkpoint)
    preview: Preview | None = None
    bad_steps = 0
    for step in range(done, params.steps):
        source = _draw_source(encoded, state.rng)
        timestep = _draw_timestep(params, step, state.rng)
        noise = torch.randn(source.latents.shape, generator=state.rng, dtype=source.latents.dtype)
        noisy_latents = schedule.add_noise(source.latents, noise, timestep)
        row: LossAndGrad = yield NoiseLoss(
            noisy_latents,
            timestep,
            source.with_tail(state.tail),
            schedule.target(source.latents, noise, timestep),
            with_prediction=source.rgb is not None and is_due(step, params.steps),
        )
        bad_steps = 0 if row.finite else bad_steps + 1
        if bad_steps >= MOST_BAD_STEPS:
            raise NonFiniteLossError(f"the loss was not finite in {bad_steps} steps in a row, the last one {step + 1}")
        if row.finite:
            grad = row.grad[-params.positions :]
            rate = learning_rate(params.learning_rate, params.learning_rate_schedule, step, params.steps)
            tail, adam = yield AdamStep(state.tail, grad, state.adam, rate)
            state = Training(tail, adam, state.rng)
        if source.rgb is not None and row.prediction is not None and row.finite:
            x0 = schedule.predict_x0(noisy_latents, row.prediction.to(noisy_latents), timestep)
            preview = Preview(step + 1, to_rgb(source.rgb, x0))
        loss = row.loss if math.isfinite(row.loss) else None
        yield Report(step + 1, params.steps, loss, state.checkpoint(step + 1), preview)
    return state.tail


def _start(
    tail: Tensor, params: PersonalizeParams, seed: int, checkpoint: dict[str, Tensor] | None
) -> tuple[Training, int]:
    """Return where to start, at a tail (n, D) or at the checkpoint if it fits, and the number of steps done."""
    beginning = Training.begin(tail, seed)
    if checkpoint is None:
        return beginning, 0
    try:
        return Training.resume(checkpoint, beginning, params.steps), int(checkpoint["step"])
    except ValueError as error:
        log.warning("checkpoint.refused error=%s", error)
        return beginning, 0


def _draw_source(sources: Sequence[EncodedSource], rng: Generator) -> EncodedSource:
    """Draw the picture of a step; of one nothing is drawn."""
    return sources[int(torch.randint(len(sources), (), generator=rng))] if len(sources) > 1 else sources[0]


def _draw_timestep(params: PersonalizeParams, step: int, rng: Generator) -> int:
    """Draw the timestep of a step: uniformly from the recipe's range as it lies now, for a share of them from all."""
    moved = params.timestep_drift * step // max(1, params.steps - 1)
    low, high = max(0, params.timestep_low - moved), max(0, params.timestep_high - moved)
    if params.uniform_share and float(torch.rand((), generator=rng)) < params.uniform_share:
        low, high = 0, 999
    return int(torch.randint(low, high + 1, (), generator=rng))


def learning_rate(first: float, schedule: Literal["constant", "cosine"], step: int, steps: int) -> float:
    """Return the learning rate of a step, counted from 0: `first` in all, or falling from it to 0 along a cosine."""
    return first if schedule == "constant" else first * 0.5 * (1 + math.cos(math.pi * step / steps))


@dataclass(frozen=True, eq=False)
class OtherTail:
    """One more tail (n, D) of an edit, which began at `source_tail` (n, D) or at what `source_prompts` give."""

    tail: Tensor
    scale: float
    source_tail: Tensor | None = None
    source_prompts: Sequence[str] = ()


def edit(
    *,
    prompt: str,
    tail: Tensor,
    params: EditParams,
    schedule: Schedule,
    latent_shape: tuple[int, int, int],
    seed: int,
    source_tail: Tensor | None = None,
    source_prompts: Sequence[str] = (),
    source: Tensor | None = None,
    others: Sequence[OtherTail] = (),
) -> Routine[list[Tensor]]:
    """Sample pictures (3, H, W) in -1..1 of the tail's subject in the prompt's scene (HiPer, section 3.3).

    The head is the target prompt's, then comes the tail in the way of `tail_mode`, which for `residual` needs the
    `source_tail` (n, D) that the tail (n, D) began at, or the `source_prompts` that give it, one a picture (else
    ValueError); the unconditional row never carries it. `others` are tails beside it, which only `residual` knows a
    place for (else ValueError): what each has learned is added to the last vectors.
    Picture i draws from `seed + i`, so that it comes out the same when asked for alone. With `strength` sampling starts
    from the noised `source` picture (3, H, W).
    """
    target: Conditioning = yield EncodePrompt(prompt)
    subjects = (OtherTail(tail, params.tail_scale, source_tail, source_prompts), *others)
    conditioning = yield from _with_subjects(target, subjects, params.tail_mode)
    return (
        yield from sample(
            conditioning, params=params, schedule=schedule, latent_shape=latent_shape, seed=seed, source=source
        )
    )


def _with_subjects(target: Conditioning, tails: Sequence[OtherTail], tail_mode: str) -> Routine[Conditioning]:
    """Return the target's conditioning with the tails in it.

    A text encoder writes the whole prompt into its last vectors, too: in place of the target's, a tail that began at
    the source's brings the source's scene along. What it learned beyond its beginning does not, and of several tails
    it is added up: each is a direction from the prompt's own vectors.
    """
    if tail_mode == "replace":
        if len(tails) > 1:
            raise ValueError("only one tail can stand in place of the prompt's last vectors")
        return target.with_tail(tails[0].scale * tails[0].tail)
    last = target.tail(max(each.tail.shape[0] for each in tails)).to(tails[0].tail)
    for each in tails:
        positions = each.tail.shape[0]
        source_tail = yield from _beginning(each)
        last[-positions:] = last[-positions:] + each.scale * (each.tail - source_tail.to(each.tail))
    return target.with_tail(last)


def _beginning(tail: OtherTail) -> Routine[Tensor]:
    """Return the vectors (n, D) that a tail began at."""
    if tail.source_tail is not None:
        return tail.source_tail
    if not tail.source_prompts:
        raise ValueError("a residual tail needs the prompt that it was learned with")
    encoded = yield from encode_prompts(tail.source_prompts)
    return beginning(encoded, tail.tail.shape[0])
