"""Textual Inversion (Gal et al. 2022, arXiv 2208.01618): a learned word in the prompt, through the frozen encoder."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Generator, Tensor

from bench.rivals.method import Ask, Noised, RowMethod, Shots, Stage, Subject, around, drawn_from, noised
from core.diffusion.backbone import Backbone
from core.diffusion.conditioning import Conditioning
from core.diffusion.hiper import learning_rate
from core.diffusion.requests import AdamState, AdamStep, EncodeImage, LossAndGrad, NoiseLoss, Report, Routine


@dataclass(frozen=True)
class TextualInversion(RowMethod):
    """A word of a few vectors in the noun's place, which it begins as; the defaults are diffusers' example's.

    Its weight decay, of 1e-2 x rate a step, is left out. The engine gives the gradient with respect to the sequence;
    the routine pulls it back through the text encoder, so a step shares its UNet call with all others'.
    """

    steps: int = 3000
    learning_rate: float = 2e-3  # 5e-4, which --scale_lr multiplies with the four rows of a step
    learning_rate_schedule: Literal["constant", "cosine"] = "constant"
    rows: int = 4  # of a step
    vectors: int = 1
    timestep_low: int = 0
    timestep_high: int = 999

    most_pictures: ClassVar[int] = 16
    lengths: ClassVar[tuple[str, ...]] = ("steps",)

    def learning(self, stage: Stage, shots: Shots, seed: int) -> Routine[Subject]:
        """Learn the word's vectors (k, D)."""
        speller = Speller(stage.backbone)
        word = speller.vector_of(shots.noun).expand(self.vectors, -1).clone()
        state = AdamState(torch.zeros_like(word), torch.zeros_like(word), 0)
        posteriors = yield tuple(EncodeImage(source.image) for source in shots.sources)
        rng = Generator().manual_seed(seed)
        losses: list[float] = []
        for step in range(self.steps):
            rows = [
                noised(stage.schedule, posteriors, rng, self.timestep_low, self.timestep_high) for _ in range(self.rows)
            ]
            loss, grad = yield from _loss_and_grad(speller, shots, word, rows)
            if grad is not None:
                rate = learning_rate(self.learning_rate, self.learning_rate_schedule, step, self.steps)
                word, state = yield AdamStep(word, grad, state, rate)
                losses.append(loss)
            yield Report(step + 1, self.steps, loss if grad is not None else None)
        return Subject(shots, {"word": word}, losses)

    def drawing(self, stage: Stage, subject: Subject, ask: Ask) -> Routine[list[Tensor]]:
        """Draw the prompt with the word in the noun's place."""
        sequence = Speller(stage.backbone).encode(ask.prompt, subject.shots.noun, subject.kept["word"])
        return (yield from drawn_from(stage, Conditioning(sequence.detach()), ask.seed, self.edit(stage)))


def _loss_and_grad(
    speller: Speller, shots: Shots, word: Tensor, rows: list[Noised]
) -> Routine[tuple[float, Tensor | None]]:
    """Return the mean loss of some rows and its gradient (k, D); no gradient if a loss is not finite."""
    word = word.clone().requires_grad_()
    used = sorted({row.index for row in rows})
    with torch.enable_grad():
        sequences = {i: speller.encode(shots.sources[i].prompt, shots.noun, word) for i in used}
    asked = [
        NoiseLoss(row.latents, row.timestep, Conditioning(sequences[row.index].detach()), row.target) for row in rows
    ]
    answers: tuple[LossAndGrad, ...] = yield tuple(asked)
    if not all(answer.finite for answer in answers):
        return math.nan, None
    of_sequences = [
        torch.stack([a.grad for a, row in zip(answers, rows, strict=True) if row.index == i]).sum(0) for i in used
    ]
    (grad,) = torch.autograd.grad([sequences[i] for i in used], word, of_sequences)
    return sum(answer.loss for answer in answers) / len(rows), grad / len(rows)


class Speller:
    """Encodes prompts with vectors in place of a word, differentiably; for models with one text encoder."""

    def __init__(self, backbone: Backbone) -> None:
        self._prompts = backbone._prompts
        if len(self._prompts.text_encoders) != 1:
            raise ValueError("Textual Inversion is written for models with one text encoder")
        self._encoder: Any = self._prompts.text_encoders[0]
        self._device = backbone.device

    def vector_of(self, word: str) -> Tensor:
        """Return the embedding (D,) of a word, of its first token if it has several."""
        table: Tensor = self._encoder.get_input_embeddings().weight
        return table[self._tokens(word)[0]].detach().cpu().clone()

    def encode(self, prompt: str, noun: str, word: Tensor) -> Tensor:
        """Return the sequence (L, D) of a prompt with the vectors `word` (k, D) in its noun's place.

        ValueError when the prompt lacks the noun or is too long with them.
        """
        before, after = (self._tokens(part) for part in around(prompt, noun))
        first, last = 1 + len(before), 1 + len(before) + len(word)
        ids = self._prompts._token_ids(0, "")
        room = self._prompts.sequence_length - 2 - len(before) - len(word) - len(after)
        if room < 0:
            raise ValueError(f"{prompt!r} has {-room} tokens too many with {len(word)} vectors for {noun!r}")
        padding = [self._prompts._pad_ids[0]] * room
        spelled = [ids[0], *before, *[ids[1]] * len(word), *after, ids[1], *padding]

        def put_in(_module: Any, _inputs: Any, embedded: Tensor) -> Tensor:
            vectors = word.to(embedded)[None]
            return torch.cat([embedded[:, :first], vectors, embedded[:, last:]], 1)

        hook = self._encoder.get_input_embeddings().register_forward_hook(put_in)
        try:
            output = self._encoder(torch.tensor([spelled], device=self._device))
        finally:
            hook.remove()
        sequence: Tensor = output.last_hidden_state[0]
        return sequence.to(word)

    def _tokens(self, text: str) -> list[int]:
        """Return a text's ids without BOS and EOS."""
        ids: list[int] = self._prompts._tokenizers[0].encode(text).ids
        return ids[1:-1]
