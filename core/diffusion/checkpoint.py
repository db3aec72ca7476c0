"""A Stable Diffusion 1.x or 2.x checkpoint on disk, in diffusers' layout."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from huggingface_hub import snapshot_download
from tokenizers import Tokenizer
from transformers import CLIPTextModel, CLIPTokenizer

from core.diffusion.prior import PriorFileError, TailPrior, load_prior
from core.diffusion.schedule import Schedule
from core.errors import TailorError

# The stem that diffusers and transformers give a component's weight file.
_WEIGHTS = {"text_encoder": "model", "unet": "diffusion_pytorch_model", "vae": "diffusion_pytorch_model"}
_CONFIGS = ["model_index.json", "scheduler/*.json", "tokenizer/*.json", "tokenizer/*.txt"]
_CONFIGS += [f"{part}/config.json" for part in _WEIGHTS]
_HUB_NAME = re.compile(r"[\w-][\w.-]*/[\w.-]+")


class CheckpointError(TailorError):
    """A folder or hub name is no checkpoint that can be loaded; says what is wrong with it."""

    type, title = "bad-checkpoint", "Checkpoint can't be loaded"


@dataclass(frozen=True)
class Checkpoint:
    """A Stable Diffusion 1.x or 2.x checkpoint on disk, in diffusers' layout. Only safetensors are ever read.

    The models are typed Any, as their libraries are without usable types.
    """

    folder: Path

    def __post_init__(self) -> None:
        pipeline = self._json("model_index.json").get("_class_name")
        if pipeline != "StableDiffusionPipeline":
            raise CheckpointError(
                f"{self.folder} is a {pipeline}; only a StableDiffusionPipeline (1.x, 2.x) can be loaded"
            )
        for part in _WEIGHTS:
            self.variant(part)
            self._json(f"{part}/config.json")
        if self._json("unet/config.json").get("in_channels") != self._json("vae/config.json").get("latent_channels"):
            raise CheckpointError(
                f"{self.folder}: the UNet doesn't take plain latents (inpainting?), which isn't supported"
            )

    def schedule(self) -> Schedule:
        """Return the noise schedule; a CheckpointError if it isn't supported."""
        try:
            return Schedule.from_config(self._json("scheduler/scheduler_config.json"))
        except ValueError as error:
            raise CheckpointError(f"{self.folder}: {error}") from error

    def tokenizer(self) -> tuple[Tokenizer, int, int]:
        """Return the tokenizer without padding or truncation, the id that pads, and the longest sequence it knows."""
        loaded = CLIPTokenizer.from_pretrained(self.folder / "tokenizer", local_files_only=True)
        backend = Tokenizer.from_str(loaded.backend_tokenizer.to_str())
        backend.no_padding()
        backend.no_truncation()
        return backend, int(loaded.pad_token_id), int(loaded.model_max_length)

    def text_encoder(self, dtype: torch.dtype) -> Any:
        """Load the CLIPTextModel, on the CPU."""
        return self._load(CLIPTextModel, "text_encoder", dtype=dtype)

    def vae(self, dtype: torch.dtype) -> Any:
        """Load the AutoencoderKL, on the CPU."""
        return self._load(AutoencoderKL, "vae", torch_dtype=dtype)

    def unet(self, dtype: torch.dtype) -> Any:
        """Load the UNet2DConditionModel, on the CPU."""
        return self._load(UNet2DConditionModel, "unet", torch_dtype=dtype)

    def prior(self) -> TailPrior | None:
        """Load the tail prior beside the weights, on the CPU, if there is one.

        It is no part of the hash: a tail that began elsewhere serves as well.
        """
        try:
            return load_prior(self._prior_path) if self._prior_path.is_file() else None
        except PriorFileError as error:
            raise CheckpointError(f"{self._prior_path} can't be loaded: {error}") from error

    def prior_hash(self) -> str | None:
        """Return the SHA-256 of the tail prior's file, if there is one: tails that begin at it depend on it."""
        return _sha256_of(self._prior_path) if self._prior_path.is_file() else None

    def hash(self) -> str:
        """Return the SHA-256 over the names and contents of all files that loading reads, in hexadecimal."""
        digest = hashlib.sha256()
        for path in self._files():
            digest.update(f"{path.relative_to(self.folder).as_posix()} {_sha256_of(path)}\n".encode())
        return digest.hexdigest()

    @property
    def _prior_path(self) -> Path:
        return self.folder / "prior.safetensors"

    def variant(self, part: str) -> str | None:
        """Return which of a component's weights are read: None for the plain ones, `fp16` when only those exist."""
        stem, folder = _WEIGHTS[part], self.folder / part
        for variant, suffix in ((None, ""), ("fp16", ".fp16")):
            names = (f"{stem}{suffix}.safetensors", f"{stem}.safetensors.index{suffix}.json")
            if any((folder / name).is_file() for name in names):
                return variant
        if any(folder.glob("*.bin")):
            raise CheckpointError(
                f"{folder} has only pickled weights (.bin), which are never read: safetensors are needed"
            )
        raise CheckpointError(f"{folder} has no {stem}.safetensors")

    def _files(self) -> list[Path]:
        """Return the files that loading reads, in the order of their names."""
        patterns = [pattern for pattern in _CONFIGS if "/" in pattern]
        for part, stem in _WEIGHTS.items():
            infix = ".fp16" if self.variant(part) else ""
            patterns += [f"{part}/{stem}{infix}.safetensors", f"{part}/{stem}{infix}-*.safetensors"]
        files = {path for pattern in patterns for path in self.folder.glob(pattern)}
        return sorted(files, key=lambda path: path.relative_to(self.folder).as_posix())

    def _json(self, name: str) -> dict[str, Any]:
        try:
            content: dict[str, Any] = json.loads((self.folder / name).read_text())
        except FileNotFoundError as error:
            raise CheckpointError(f"{self.folder} is no checkpoint in diffusers' layout: it has no {name}") from error
        except ValueError as error:
            raise CheckpointError(f"{self.folder / name} is no JSON file: {error}") from error
        return content

    def _load(self, model_class: Any, part: str, **dtype: torch.dtype) -> Any:
        """Load one component; weights that are missing or misshapen are an error, never left at random."""
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
        return model.eval().requires_grad_(False)


def find_checkpoint(location: str, cache_dir: Path | None = None) -> Checkpoint:
    """Return the checkpoint in a folder, or of a hub name (`owner/name`), which is downloaded into the cache once.

    A CheckpointError says what was tried.
    """
    if Path(location).is_dir():
        return Checkpoint(Path(location))
    if not _HUB_NAME.fullmatch(location):
        raise CheckpointError(f"{location!r} is neither a folder nor a hub name like owner/name")
    try:
        return Checkpoint(_download(location, cache_dir))
    except CheckpointError:
        raise
    except Exception as error:  # the hub client raises errors of its own, of its HTTP client and of the system
        raise CheckpointError(
            f"{location!r} is no folder here, and the hub did not give it: {type(error).__name__}: {error}"
        ) from error


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _download(name: str, cache_dir: Path | None) -> Path:
    """Fetch the plain safetensors of each component, or the fp16 ones where there are no plain ones."""
    folder = Path()
    for infix in ("", ".fp16"):
        missing = [part for part in _WEIGHTS if not any((folder / part).glob("*.safetensors"))]
        weights = [f"{part}/{_WEIGHTS[part]}{infix}.safetensors" for part in missing]
        weights += [f"{part}/{_WEIGHTS[part]}{infix}-*.safetensors" for part in missing]
        weights += [f"{part}/{_WEIGHTS[part]}.safetensors.index{infix}.json" for part in missing]
        folder = Path(snapshot_download(name, cache_dir=cache_dir, allow_patterns=[*_CONFIGS, *weights]))
    return folder
