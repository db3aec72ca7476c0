"""Trains the text encoder on captions alone."""

import random
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from pretrain.captions.caption import Caption, labels
from pretrain.captions.tokenizer import open_tokenizer
from pretrain.training.models import CLIPTextConfig, CLIPTextModel, TextEncoder, Tokenizer
from pretrain.training.trainer import Budget, Trainer
from pretrain.worlds import World, world_of

WIDTH = 256
BATCH = 32
LOOKS_WEIGHT = 2.0


class Encoder(nn.Module):
    """A text encoder, and readers that tell from one of its vectors what the caption says."""

    def __init__(self, tokenizer: Tokenizer, world: World) -> None:
        super().__init__()
        config = CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=WIDTH,
            intermediate_size=3 * WIDTH,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=world.max_tokens,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
            projection_dim=WIDTH,
        )
        self.text = CLIPTextModel(config)
        self.readers = nn.ModuleList(nn.Linear(WIDTH, len(values) + 1) for values in world.attributes.values())
        self.numbers = nn.Linear(WIDTH, len(world.looks)) if world.looks else nn.Identity()

    def forward(self, ids: Tensor, said: Tensor, looks: Tensor) -> tuple[Tensor, Tensor]:
        """ids: (B, tokens), said: (B, attributes) as `labels` numbers them, looks: (B, looks), 0 for those unsaid.

        Returns the loss of reading everything at every position from the caption's end on, and the share read rightly
        of each attribute, (attributes,); behind them, if there are looks, the share of their variance that is read.
        """
        sequence = self.text(input_ids=ids)[0]
        end = self.text.config.eos_token_id
        after = ids == end  # the end and all padding, which is the same token
        vectors = sequence[after]
        losses, right = [], []
        for reader, truth in zip(self.readers, said.unbind(1), strict=True):
            scores = reader(vectors)
            expected = truth[:, None].expand_as(ids)[after]
            losses.append(functional.cross_entropy(scores, expected))
            right.append((scores.argmax(1) == expected).float().mean())
        loss = torch.stack(losses).mean()
        if looks.shape[1]:
            wanted = looks[:, None].expand(-1, ids.shape[1], -1)[after]
            error = (self.numbers(vectors) - wanted).pow(2).mean()
            loss = loss + LOOKS_WEIGHT * error
            right.append(1 - error / wanted.pow(2).mean())
        return loss, torch.stack(right)


def tokens(tokenizer: Tokenizer, texts: list[str]) -> Tensor:
    """Return the texts' tokens, (B, tokens), padded; ValueError when one is too long (nothing is cut silently)."""
    most = tokenizer.model_max_length
    ids = tokenizer(texts, padding="max_length", max_length=most).input_ids
    if any(len(row) > most for row in ids):
        raise ValueError(f"a text has more than {most} tokens")
    return torch.tensor(ids)


def _batch(tokenizer: Tokenizer, world: World, captions: list[Caption]) -> tuple[Tensor, Tensor, Tensor]:
    ids = tokens(tokenizer, [item.text for item in captions])
    said = torch.tensor([labels(item.said, world.attributes) for item in captions])
    looks = torch.tensor([[item.degrees.get(look, 0.0) for look in world.looks] for item in captions])
    return ids, said, looks


def _captions(world: World, split: str, first: int, count: int) -> list[Caption]:
    found = world.captions(split, first, count, random.Random(first))
    found[0] = Caption("", {})  # the text of unconditional samples
    return found


def train_text(folder: Path, budget: Budget) -> None:
    """Teach the text encoder, on captions alone, to carry the whole scene in every vector after the caption.

    So the UNet does not have to wait for it, and finds the scene in the head whatever stands in the tail.
    """
    tokenizer, world = open_tokenizer(folder), world_of(folder)
    torch.manual_seed(0)
    encoder = Encoder(tokenizer, world)
    trainer = Trainer(encoder, folder / "text.pt", 1e-3)
    held = _batch(tokenizer, world, _captions(world, "development", 0, 500))

    def loss_of(_step: int, generator: torch.Generator) -> Tensor:
        first = int(torch.randint(90_000_000, (1,), generator=generator))
        loss: Tensor = encoder(*_batch(tokenizer, world, _captions(world, "pretraining", first, BATCH)))[0]
        return loss

    def on_save() -> None:
        average = trainer.average
        with torch.no_grad():
            loss, right = average(*held)
        names = [*world.attributes, *(("looks",) if world.looks else ())]
        shares = ", ".join(f"{name} {share:.3f}" for name, share in zip(names, right.tolist(), strict=True))
        print(f"held-out loss {loss:.4f}; read rightly: {shares}", flush=True)
        average.text.save_pretrained(folder / "text_encoder")

    trainer.train(loss_of, budget, on_save, save_minutes=2)


def open_text(folder: Path) -> TextEncoder:
    """Return the trained text encoder, frozen, float32."""
    return CLIPTextModel.from_pretrained(folder / "text_encoder", dtype=torch.float32).eval().requires_grad_(False)
