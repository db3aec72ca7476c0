"""A checkpoint in a folder, in diffusers' layout."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from core.diffusion.checkpoints.checkpoint import Checkpoint, Dtypes, Parts, digest_of, frozen
from core.diffusion.checkpoints.configs import Configs
from core.diffusion.checkpoints.errors import CheckpointError
from core.diffusion.checkpoints.headers import read_header, sha256_of

# The stem that diffusers and transformers give a part's weight file.
STEMS = {
    "text_encoder": "model",
    "text_encoder_2": "model",
    "unet": "diffusion_pytorch_model",
    "vae": "diffusion_pytorch_model",
}
TEXT_ENCODERS = {"text_encoder": CLIPTextModel, "text_encoder_2": CLIPTextModelWithProjection}


class FolderCheckpoint(Checkpoint):
    """A checkpoint in diffusers' layout."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, Configs(folder, (folder,)))
        self.folder = folder
        for part in self.family.parts:
            self.variant(part)

    @property
    def notes(self) -> Path:
        """The folder itself."""
        return self.folder

    @property
    def metadata(self) -> Mapping[str, str]:
        """Nothing: what is said of it lies in files."""
        return {}

    def variant(self, part: str) -> str | None:
        """Return which of a part's weights are read: None for the plain ones, `fp16` when only those exist."""
        stem, folder = STEMS[part], self.folder / part
        for variant, infix in ((None, ""), ("fp16", ".fp16")):
            names = (f"{stem}{infix}.safetensors", f"{stem}.safetensors.index{infix}.json")
            if any((folder / name).is_file() for name in names):
                return variant
        if any(folder.glob("*.bin")):
            raise CheckpointError(
                f"{folder} has only pickled weights (.bin), which are never read: safetensors are needed"
            )
        raise CheckpointError(f"{folder} has no {stem}.safetensors")

    def elements(self) -> dict[str, int]:
        """Return how many numbers each part has."""
        return {part: sum(read_header(path).elements("") for path in self._weights(part)) for part in self.family.parts}

    def load(self, dtypes: Dtypes) -> Parts:
        """Load all parts on the CPU."""
        unet_class: Any = UNet2DConditionModel  # untyped, like the next one
        vae_class: Any = AutoencoderKL
        return Parts(
            tokenizers=[self.configs.tokenizer(part) for part in self.family.tokenizers],
            text_encoders=[
                self._load(TEXT_ENCODERS[part], part, dtype=dtypes.text_encoder) for part in self.family.text_encoders
            ],
            vae=self._load(vae_class, "vae", torch_dtype=dtypes.vae),
            unet=self._load(unet_class, "unet", torch_dtype=dtypes.unet),
        )

    def hash(self) -> str:
        """Return the SHA-256 over the names and contents of all files that loading reads."""
        return digest_of([f"{path.relative_to(self.folder).as_posix()} {sha256_of(path)}" for path in self._files()])

    def _weights(self, part: str) -> list[Path]:
        return _weight_files(self.folder / part, STEMS[part], ".fp16" if self.variant(part) else "")

    def _files(self) -> list[Path]:
        """Return the files that loading reads, in the order of their names."""
        files = {path for pattern in config_patterns(self.family.parts) for path in self.folder.glob(pattern)}
        files |= {path for part in self.family.parts for path in self._weights(part)}
        return sorted(files, key=lambda path: path.relative_to(self.folder).as_posix())

    def _load(self, model_class: Any, part: str, **dtype: torch.dtype) -> Any:
        """Load one part; weights that are missing or misshapen are an error, never left at random."""
        try:
            model, info = model_class.from_pretrained(
                self.folder / part,
                variant=self.variant(part),
                use_safetensors=True,
                local_files_only=True,
                output_loading_info=True,
                **dtype,
            )
        except (OSError, ValueError, RuntimeError) as error:
            raise CheckpointError(f"{self.folder / part} can't be loaded: {error}") from error
        if info["missing_keys"] or info["mismatched_keys"]:
            keys = sorted(map(str, [*info["missing_keys"], *info["mismatched_keys"]]))
            raise CheckpointError(f"{self.folder / part} lacks {len(keys)} weights, the first is {keys[0]}")
        return frozen(model)


def config_patterns(parts: tuple[str, ...]) -> list[str]:
    """Return where the configs lie that pictures depend on."""
    tokenizers = [f"tokenizer{part.removeprefix('text_encoder')}" for part in parts if part.startswith("text_encoder")]
    patterns = ["scheduler/*.json", *(f"{tokenizer}/*.{kind}" for tokenizer in tokenizers for kind in ("json", "txt"))]
    if len(tokenizers) > 1:
        patterns.append("model_index.json")  # says what no negative prompt means
    return [*patterns, *(f"{part}/config.json" for part in parts)]


def _weight_files(folder: Path, stem: str, infix: str) -> list[Path]:
    """Return a part's weight file, or the pieces that it is cut into."""
    return [*folder.glob(f"{stem}{infix}.safetensors"), *folder.glob(f"{stem}{infix}-*.safetensors")]
