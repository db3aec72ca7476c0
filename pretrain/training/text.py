"""Trains the text encoder on captions alone."""

import random
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from pretrain.captions.caption import ATTRIBUTES, Caption, caption, labels
from pretrain.captions.tokenizer import MAX_TOKENS, open_tokenizer
from pretrain.drawing.scenes import random_scene, split_seed
from pretrain.training.models import CLIPTextConfig, CLIPTextModel, TextEncoder, Tokenizer
from pretrain.training.trainer import Budget, Trainer

WIDTH = 256
BATCH = 32


class Encoder(nn.Module):
    """A text encoder, and readers that tell from one of its vectors what the caption says."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        super().__init__()
        config = CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=WIDTH,
            intermediate_size=3 * WIDTH,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=MAX_TOKENS,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
            projection_dim=WIDTH,
        )
        self.text = CLIPTextModel(config)
        self.readers = nn.ModuleList(nn.Linear(WIDTH, len(values) + 1) for values in ATTRIBUTES.values())

    def forward(self, ids: Tensor, said: Tensor) -> tuple[Tensor, Tensor]:
        """ids: (B, 32), said: (B, attributes) as `labels` numbers them.

        Returns the loss of reading every attribute at every position from the caption's end on, and the share
        read rightly of each attribute, (attributes,).
        """
        sequence = self.text(input_ids=ids)[0]
        end = self.text.config.eos_token_id
        after = ids == end  # the end and all padding, which is the same token
        losses, right = [], []
        for reader, truth in zip(self.readers, said.unbind(1), strict=True):
            scores = reader(sequence)[after]
            expected = truth[:, None].expand_as(ids)[after]
            losses.append(functional.cross_entropy(scores, expected))
            right.append((scores.argmax(1) == expected).float().mean())
        return torch.stack(losses).mean(), torch.stack(right)


def tokens(tokenizer: Tokenizer, texts: list[str]) -> Tensor:
    """Return the texts' tokens, (B, 32), padded; ValueError when one is too long (nothing is cut silently)."""
    ids = tokenizer(texts, padding="max_length", max_length=MAX_TOKENS).input_ids
    if any(len(row) > MAX_TOKENS for row in ids):
        raise ValueError(f"a text has more than {MAX_TOKENS} tokens")
    return torch.tensor(ids)


def _batch(tokenizer: Tokenizer, captions: list[Caption]) -> tuple[Tensor, Tensor]:
    ids = tokens(tokenizer, [item.text for item in captions])
    return ids, torch.tensor([labels(item.said) for item in captions])


def _captions(split: str, first: int, count: int) -> list[Caption]:
    rng = random.Random(first)
    found = [caption(random_scene(split_seed(split, first + index)), rng) for index in range(count)]
    found[0] = Caption("", {})  # the text of unconditional samples
    return found


def train_text(folder: Path, budget: Budget) -> None:
    """Teach the text encoder, on captions alone, to carry the whole scene in every vector after the caption.

    So the UNet does not have to wait for it, and finds the scene in the head whatever stands in the tail.
    """
    tokenizer = open_tokenizer(folder)
    torch.manual_seed(0)
    encoder = Encoder(tokenizer)
    trainer = Trainer(encoder, folder / "text.pt", 1e-3)
    held = _batch(tokenizer, _captions("development", 0, 500))

    def loss_of(_step: int, generator: torch.Generator) -> Tensor:
        first = int(torch.randint(90_000_000, (1,), generator=generator))
        loss: Tensor = encoder(*_batch(tokenizer, _captions("pretraining", first, BATCH)))[0]
        return loss

    def on_save() -> None:
        average = trainer.average
        with torch.no_grad():
            loss, right = average(*held)
        shares = ", ".join(f"{name} {share:.3f}" for name, share in zip(ATTRIBUTES, right.tolist(), strict=True))
        print(f"held-out loss {loss:.4f}; read rightly: {shares}", flush=True)
        average.text.save_pretrained(folder / "text_encoder")

    trainer.train(loss_of, budget, on_save, save_minutes=2)


def open_text(folder: Path) -> TextEncoder:
    """Return the trained text encoder, frozen, float32."""
    return CLIPTextModel.from_pretrained(folder / "text_encoder", dtype=torch.float32).eval().requires_grad_(False)
