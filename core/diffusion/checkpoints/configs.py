"""A checkpoint's configs in diffusers' layout, looked for in several folders: the first that has one is right."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from tokenizers.pre_tokenizers import ByteLevel
from transformers import CLIPTokenizer

from core.diffusion.checkpoints.errors import CheckpointError
from core.diffusion.checkpoints.family import Family, family_of
from core.diffusion.schedule import Schedule

LAYOUTS = Path(__file__).parent / "layouts"  # the configs of the published 1.5, 2.1 and XL, for single files
SCHEDULER = "scheduler/scheduler_config.json"
_MARKERS = ("<|startoftext|>", "<|endoftext|>")


@dataclass(frozen=True)
class Configs:
    """The configs of a checkpoint at `place`; `told` are fields of the scheduler's that its weights say otherwise."""

    place: Path
    folders: tuple[Path, ...]
    told: Mapping[str, Any] = field(default_factory=dict)

    @property
    def family(self) -> Family:
        """What kind of model it is; CheckpointError for one that can't be loaded."""
        pipeline = self.json("model_index.json").get("_class_name")
        found = family_of(pipeline, self.json("unet/config.json") if self.find("unet/config.json") else {})
        if found is None:
            raise CheckpointError(
                f"{self.place} is a {pipeline}; only StableDiffusionPipeline (1.x, 2.x) and StableDiffusionXLPipeline "
                "can be loaded"
            )
        return found

    @property
    def zero_for_no_prompt(self) -> bool:
        """Whether no negative prompt means zeros in place of an empty text's encoding, as in SDXL."""
        return bool(self.json("model_index.json").get("force_zeros_for_empty_prompt", False))

    def find(self, name: str) -> Path | None:
        """Return the file of this name, if there is one."""
        return next((folder / name for folder in self.folders if (folder / name).is_file()), None)

    def folder_of(self, name: str) -> Path:
        """Return the folder in which a config of this name lies; CheckpointError if there is none."""
        found = self.find(name)
        if found is None:
            raise CheckpointError(f"{self.place} is no checkpoint in diffusers' layout: it has no {name}")
        return found.parents[len(Path(name).parts) - 1]

    def json(self, name: str) -> dict[str, Any]:
        """Return a config; CheckpointError if there is none, or one that can't be read."""
        path = self.folder_of(name) / name
        try:
            content: dict[str, Any] = json.loads(path.read_text())
        except ValueError as error:
            raise CheckpointError(f"{path} is no JSON file: {error}") from error
        return content | dict(self.told) if name == SCHEDULER else content

    def schedule(self) -> Schedule:
        """Return the noise schedule; CheckpointError if it isn't supported."""
        try:
            return Schedule.from_config(self.json(SCHEDULER))
        except ValueError as error:
            raise CheckpointError(f"{self.place}: {error}") from error

    def tokenizer(self, part: str) -> Any:
        """Return one of the tokenizers as transformers has it: the checkpoint's own, or CLIP's with its settings."""
        own = next((folder / part for folder in self.folders if (folder / part / "vocab.json").is_file()), None)
        own = own or next((f / part for f in self.folders if (f / part / "tokenizer.json").is_file()), None)
        if own is not None:
            return CLIPTokenizer.from_pretrained(own, local_files_only=True)
        if not any(folder.is_relative_to(LAYOUTS) for folder in self.folders):
            raise CheckpointError(f"{self.place} is no checkpoint in diffusers' layout: it has no {part}/vocab.json")
        settings = self.json(f"{part}/tokenizer_config.json")
        vocab, merges = _clip()
        return CLIPTokenizer(
            vocab=dict(vocab),
            merges=list(merges),
            pad_token=settings["pad_token"],
            model_max_length=settings["model_max_length"],
        )


@lru_cache(maxsize=1)
def _clip() -> tuple[dict[str, int], list[Any]]:
    """Return CLIP's vocabulary and merges, which all of these models share."""
    lines = gzip.decompress((LAYOUTS / "clip-merges.txt.gz").read_bytes()).decode().splitlines()[1:]
    alphabet = sorted(ByteLevel.alphabet())  # in the order of CLIP's own table: "!" first
    tokens = [*alphabet, *(f"{symbol}</w>" for symbol in alphabet), *(line.replace(" ", "") for line in lines)]
    pairs = [(first, second) for first, second in (line.split(" ") for line in lines)]
    return {token: i for i, token in enumerate([*tokens, *_MARKERS])}, pairs
