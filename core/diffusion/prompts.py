"""From text to conditioning: the tokenizers and text encoders of a pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor

from core.diffusion.checkpoints import Parts
from core.diffusion.conditioning import Conditioning
from core.models.words import spelled_out


class PromptEncoder:
    """One text encoder (1.x, 2.x), or two whose vectors stand side by side, the second one's pooled, too (XL).

    CLIP was trained, and Stable Diffusion conditioned, without an attention mask over the padding.
    """

    def __init__(self, parts: Parts, device: torch.device, *, zero_for_no_prompt: bool) -> None:
        self.text_encoders = [encoder.to(device) for encoder in parts.text_encoders]
        self.words = dict(parts.words)
        self._device = device
        self._zero_for_no_prompt = zero_for_no_prompt
        self._tokenizers = [_bare(tokenizer) for tokenizer in parts.tokenizers]
        self._pad_ids = [int(tokenizer.pad_token_id) for tokenizer in parts.tokenizers]
        longest = [int(tokenizer.model_max_length) for tokenizer in parts.tokenizers]
        longest += [encoder.config.max_position_embeddings for encoder in self.text_encoders]
        self.sequence_length = min(longest)
        self.width: int = sum(encoder.config.hidden_size for encoder in self.text_encoders)

    @property
    def tokenizer_json(self) -> bytes:
        """A file for the `tokenizers` package that counts as `count_tokens` does, but for `words`."""
        return self._tokenizers[0].to_str().encode()

    def count_tokens(self, text: str) -> int:
        """Return how many tokens a text has, with BOS and EOS, never truncated."""
        return len(self._tokenizers[0].encode(spelled_out(text, self.words)).ids)

    @torch.no_grad()
    def encode(self, texts: Sequence[str]) -> list[Conditioning]:
        """Return each text's conditioning on the CPU; ValueError for a text of more than L tokens.

        Where no prompt means zeros (XL), the empty text's is zero.
        """
        spelled = [spelled_out(text, self.words) for text in texts]
        outputs = [self._encode_with(number, spelled) for number in range(len(self.text_encoders))]
        sequences = torch.cat([sequence for sequence, _ in outputs], dim=-1).cpu()
        pooled = None if outputs[-1][1] is None else outputs[-1][1].cpu()
        rows = [
            Conditioning(sequences[i].clone(), None if pooled is None else pooled[i].clone()) for i in range(len(texts))
        ]
        if not self._zero_for_no_prompt:
            return rows
        return [row if text else _zero(row) for text, row in zip(texts, rows, strict=True)]

    def rms(self) -> float:
        """Return the usual size of a vector's numbers, as the root of their mean square."""
        sequences = [self._encode_with(number, [""])[0] for number in range(len(self.text_encoders))]
        return float(torch.cat(sequences, dim=-1).square().mean().sqrt())

    @torch.no_grad()
    def _encode_with(self, number: int, texts: Sequence[str]) -> tuple[Tensor, Tensor | None]:
        """Return one encoder's sequences (B, L, D), and what it pools them to (B, P) if it does so for the UNet.

        With two encoders it is the last layer but one that the UNet was trained with.
        """
        ids = torch.tensor([self._token_ids(number, text) for text in texts], device=self._device)
        encoder: Any = self.text_encoders[number]
        if len(self.text_encoders) == 1:
            return encoder(ids).last_hidden_state, None
        output = encoder(ids, output_hidden_states=True)
        return output.hidden_states[-2], output.text_embeds if number == 1 else None

    def _token_ids(self, number: int, text: str) -> list[int]:
        """Return L token ids: BOS, the text's, EOS, and padding."""
        ids: list[int] = self._tokenizers[number].encode(text).ids
        room = self.sequence_length - len(ids)
        if room < 0:
            raise ValueError(f"the text has {len(ids)} tokens with its two markers; {self.sequence_length} fit")
        return ids + [self._pad_ids[number]] * room


def _bare(tokenizer: Any) -> Tokenizer:
    """Return transformers' tokenizer as one that neither pads nor truncates."""
    backend = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    backend.no_padding()
    backend.no_truncation()
    return backend


def _zero(row: Conditioning) -> Conditioning:
    pooled = None if row.pooled is None else torch.zeros_like(row.pooled)
    return Conditioning(torch.zeros_like(row.sequence), pooled)
