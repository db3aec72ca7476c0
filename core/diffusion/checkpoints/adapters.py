"""LoRA and textual inversion files that are merged into a checkpoint when it is loaded, by diffusers' own loaders."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor

from core.diffusion.checkpoints.checkpoint import Checkpoint, Dtypes, Parts, digest_of, frozen
from core.diffusion.checkpoints.errors import CheckpointError
from core.diffusion.checkpoints.family import Family
from core.diffusion.checkpoints.headers import read_header, sha256_of
from core.models.location import Adapter

_ENCODERS = ("clip_l", "clip_g")  # how files for SDXL call its text encoders
_NAMELESS = ("emb_params", "string_to_param", *_ENCODERS)  # keys that are no word


class MergedCheckpoint(Checkpoint):
    """A checkpoint with LoRA and textual inversion files merged into it; as a model it is another one."""

    def __init__(self, base: Checkpoint, adapters: Sequence[Adapter]) -> None:
        super().__init__(base.place, base.configs)
        self.base = base
        self.adapters = tuple(adapters)
        for adapter in self.adapters:
            if not Path(adapter.path).expanduser().is_file():
                raise CheckpointError(f"+{adapter.kind}:{adapter.path}: there is no such file")
            read_header(Path(adapter.path).expanduser())

    @property
    def notes(self) -> Path:
        """As its base."""
        return self.base.notes

    @property
    def metadata(self) -> Mapping[str, str]:
        """As its base."""
        return self.base.metadata

    def elements(self) -> dict[str, int]:
        """Return how many numbers each part has; what is merged adds next to nothing."""
        return self.base.elements()

    def load(self, dtypes: Dtypes) -> Parts:
        """Load the base's parts and merge the files into them, in the order in which they are named."""
        parts = self.base.load(dtypes)
        parts.tokenizers = [copy.deepcopy(tokenizer) for tokenizer in parts.tokenizers]
        pipeline = _pipeline(parts, self.family)
        for adapter in self.adapters:
            path = Path(adapter.path).expanduser()
            with _told_of(adapter):
                if adapter.kind == "lora":
                    _merge_lora(pipeline, path, adapter.scale)
                else:
                    parts.words |= _add_words(pipeline, parts, path, adapter.word)
        for model in (*parts.text_encoders, parts.unet):
            frozen(model)
        return parts

    def hash(self) -> str:
        """Return the SHA-256 over the base's and each file's, with how it is merged."""
        lines = [
            f"{each.kind} {sha256_of(Path(each.path).expanduser())} {each.scale} {each.word or Path(each.path).stem}"
            for each in self.adapters
        ]
        return digest_of([f"base {self.base.hash()}", *lines])


def _pipeline(parts: Parts, family: Family) -> Any:
    """Return diffusers' pipeline over the parts, whose loaders change them in place."""
    from diffusers import (  # noqa: PLC0415 - importing pipelines takes seconds, and most models merge nothing
        DDIMScheduler,
        StableDiffusionPipeline,
        StableDiffusionXLPipeline,
    )

    scheduler_class: Any = DDIMScheduler  # untyped, like the next ones
    shared = {"vae": parts.vae, "unet": parts.unet, "scheduler": scheduler_class(steps_offset=1, clip_sample=False)}
    shared |= {"text_encoder": parts.text_encoders[0], "tokenizer": parts.tokenizers[0]}
    if family is Family.SDXL:
        xl_class: Any = StableDiffusionXLPipeline
        second = {"text_encoder_2": parts.text_encoders[1], "tokenizer_2": parts.tokenizers[1]}
        return xl_class(**shared, **second, add_watermarker=False)
    plain_class: Any = StableDiffusionPipeline
    return plain_class(**shared, safety_checker=None, feature_extractor=None, requires_safety_checker=False)


def _merge_lora(pipeline: Any, path: Path, scale: float) -> None:
    pipeline.load_lora_weights(
        str(path.parent), weight_name=path.name, adapter_name="merged", use_safetensors=True, local_files_only=True
    )
    if not any(pipeline.get_list_adapters().values()):
        raise ValueError("it holds no LoRA of this model's layers")
    pipeline.fuse_lora(lora_scale=scale)
    pipeline.unload_lora_weights()


def _add_words(pipeline: Any, parts: Parts, path: Path, word: str | None) -> dict[str, int]:
    """Add a textual inversion's vectors to the vocabulary; returns its word and how many they are."""
    tensors = load_file(path)
    ours = _vectors(tensors, len(parts.text_encoders))
    name = next((name for name in tensors if name not in _NAMELESS), path.stem)
    word = (word or name).lower()  # as the tokenizer has all words
    for vectors, tokenizer, text_encoder in zip(ours, parts.tokenizers, parts.text_encoders, strict=True):
        pipeline.load_textual_inversion({word: vectors}, tokenizer=tokenizer, text_encoder=text_encoder)
    return {word: ours[0].shape[0] if ours[0].ndim > 1 else 1}


def _vectors(tensors: Mapping[str, Tensor], text_encoders: int) -> list[Tensor]:
    """Return a file's vectors for each of the text encoders; ValueError for another model's file."""
    if text_encoders > 1:
        if set(tensors) != set(_ENCODERS):
            raise ValueError(f"it holds {sorted(tensors)[:4]}; for this model it needs {' and '.join(_ENCODERS)}")
        return [tensors[name] for name in _ENCODERS]
    if len(tensors) != 1:
        raise ValueError(f"it holds {sorted(tensors)[:4]}; for this model it needs one tensor, called like its word")
    return list(tensors.values())


@contextmanager
def _told_of(adapter: Adapter) -> Iterator[None]:
    """Turn what a loader raises into a CheckpointError that names the file."""
    try:
        yield
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError, ImportError) as error:
        raise CheckpointError(f"+{adapter.kind}:{adapter.path} can't be merged into this model: {error}") from error
