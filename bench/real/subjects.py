"""Photographs of subjects on disk: a folder each, with its pictures and what is asked of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from bench.rivals.method import Ask, Shots, around
from core.diffusion.files import to_tensor
from core.diffusion.learning.sources import Source

ABOUT = "subject.json"
_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


@dataclass(frozen=True, eq=False)
class Photographed:
    """A subject: its pictures, each with a prompt, and the prompts it is asked for, plain and with its looks in words.

    `worded` is empty when nobody has written them.
    """

    name: str
    noun: str
    pictures: tuple[Path, ...]
    prompts: tuple[str, ...]
    targets: tuple[str, ...]
    worded: tuple[str, ...] = ()

    def shots(self, count: int, size: int) -> Shots:
        """Return its first pictures, cut to squares of so many pixels."""
        pairs = list(zip(self.pictures, self.prompts, strict=True))[:count]
        return Shots([Source(to_tensor(square(path, size)), prompt) for path, prompt in pairs], self.noun)

    def asks(self, seeds: int) -> list[Ask]:
        """Return each target with so many seeds."""
        worded = self.worded or self.targets
        return [Ask(t, seed, w) for t, w in zip(self.targets, worded, strict=True) for seed in range(seeds)]


def read_subjects(folder: Path) -> list[Photographed]:
    """Return the subjects in a folder, by name; SystemExit when there are none or one is not as it should be.

    `subject.json` beside a subject's pictures has `noun`, `prompt` for all pictures or `prompts` for each in the order
    of their names, `targets`, and `worded` targets if wanted; every prompt and target names the noun.
    """
    found = [_read(path.parent) for path in sorted(folder.glob(f"*/{ABOUT}"))]
    if not found:
        raise SystemExit(f"{folder} has no folder with pictures and a {ABOUT}")
    return found


def _read(folder: Path) -> Photographed:
    about: dict[str, Any] = json.loads((folder / ABOUT).read_text())
    pictures = tuple(sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES))
    try:
        prompts = tuple(about["prompts"]) if "prompts" in about else (about["prompt"],) * len(pictures)
        subject = Photographed(
            folder.name, about["noun"], pictures, prompts, tuple(about["targets"]), tuple(about.get("worded", ()))
        )
        for prompt in (*subject.prompts, *subject.targets, *subject.worded):
            around(prompt, subject.noun)
    except (KeyError, ValueError) as error:
        raise SystemExit(f"{folder / ABOUT}: {error}") from error
    if not pictures or len(prompts) != len(pictures) or len(subject.worded) not in (0, len(subject.targets)):
        raise SystemExit(f"{folder}: {len(pictures)} pictures, {len(prompts)} prompts, {len(subject.worded)} worded")
    return subject


def square(path: Path, size: int) -> Image.Image:
    """Return a picture's middle as a square of so many pixels."""
    with Image.open(path) as picture:
        image = picture.convert("RGB")
    side = min(image.size)
    left, top = ((full - side) // 2 for full in image.size)
    return image.crop((left, top, left + side, top + side)).resize((size, size), Image.Resampling.LANCZOS)
