"""Learns the tokenizer in which each word of the captions is one piece."""

import json
import random
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

from pretrain.training.models import CLIPTokenizer, Tokenizer
from pretrain.worlds import World, world_of

START, END = "<|startoftext|>", "<|endoftext|>"

Word = tuple[str, ...]


def train_tokenizer(folder: Path, captions: int = 20_000) -> Tokenizer:
    """Learn a byte-level BPE that has a piece for every word of the captions; other words fall into pieces.

    Writes the files of a CLIPTokenizer (vocab.json, merges.txt, tokenizer.json) into folder/tokenizer.
    """
    world = world_of(folder)
    merges = learn_merges(_words(world, captions))
    alphabet = _byte_alphabet()
    pieces = dict.fromkeys([*alphabet, *(byte + "</w>" for byte in alphabet), *(a + b for a, b in merges), START, END])
    target = folder / "tokenizer"
    target.mkdir(parents=True, exist_ok=True)
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    (target / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    lines = ["#version: 0.2", *(f"{a} {b}" for a, b in merges)]
    (target / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    settings = {
        "tokenizer_class": "CLIPTokenizer",
        "model_max_length": world.max_tokens,
        "bos_token": START,
        "eos_token": END,
        "unk_token": END,
        "pad_token": END,
    }
    (target / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    CLIPTokenizer.from_pretrained(target).save_pretrained(target)  # adds tokenizer.json
    return open_tokenizer(folder)


def open_tokenizer(folder: Path) -> Tokenizer:
    """Return the tokenizer trained before."""
    return CLIPTokenizer.from_pretrained(folder / "tokenizer")


def learn_merges(words: Iterable[str]) -> list[tuple[str, str]]:
    """Join the most frequent pair of neighboring pieces, again and again, until each word is one piece."""
    counts: dict[Word, int] = {}
    for word, count in Counter(words).items():
        counts[(*word[:-1], word[-1] + "</w>")] = count
    merges: list[tuple[str, str]] = []
    while pairs := _pairs(counts):
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        merges.append(best)
        counts = {_merged(word, best): count for word, count in counts.items()}
    return merges


def _pairs(words: dict[Word, int]) -> Counter[tuple[str, str]]:
    pairs: Counter[tuple[str, str]] = Counter()
    for word, count in words.items():
        for pair in pairwise(word):
            pairs[pair] += count
    return pairs


def _merged(word: Word, pair: tuple[str, str]) -> Word:
    pieces: list[str] = []
    for piece in word:
        if pieces and (pieces[-1], piece) == pair:
            pieces[-1] += piece
        else:
            pieces.append(piece)
    return tuple(pieces)


def _words(world: World, captions: int) -> list[str]:
    found = world.captions("pretraining", 0, captions, random.Random(0))
    return [word for caption in found for word in caption.text.split()]


def _byte_alphabet() -> list[str]:
    """One printable character for each byte, as CLIP's tokenizer has them."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(256 + index) for index in range(len(hidden))]
