"""A checkpoint on disk: what it is, what it needs, and its parts once they are loaded."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from core.diffusion.checkpoints.configs import Configs
from core.diffusion.checkpoints.errors import CheckpointError
from core.diffusion.checkpoints.family import Family
from core.diffusion.checkpoints.headers import sha256_of
from core.diffusion.prior import PriorFileError, TailPrior, load_prior
from core.diffusion.schedule import Schedule

PRIOR = "prior.safetensors"


@dataclass
class Parts:
    """A pipeline's loaded parts, on the CPU, frozen. Typed Any, as their libraries are without usable types.

    `tokenizers` are transformers', one for each text encoder; `words` are those that textual inversions have added,
    with the number of their vectors.
    """

    tokenizers: list[Any]
    text_encoders: list[Any]
    vae: Any
    unet: Any
    words: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Dtypes:
    """The number types of a pipeline's parts."""

    unet: torch.dtype
    text_encoder: torch.dtype
    vae: torch.dtype


class Checkpoint(ABC):
    """A frozen pipeline on disk. Only safetensors are ever read."""

    def __init__(self, place: Path, configs: Configs) -> None:
        """`place` is its folder or file; CheckpointError when it lacks something or is of another kind."""
        self.place = place
        self.configs = configs
        self.family: Family = configs.family
        for part in self.family.parts:
            configs.json(f"{part}/config.json")
        if configs.json("unet/config.json").get("in_channels") != configs.json("vae/config.json").get(
            "latent_channels"
        ):
            raise CheckpointError(f"{place}: the UNet doesn't take plain latents (inpainting?), which isn't supported")

    @property
    @abstractmethod
    def notes(self) -> Path:
        """The folder of what is said of it: tailor.json, LICENSE, prior.safetensors. It need not be there."""

    @property
    @abstractmethod
    def metadata(self) -> Mapping[str, str]:
        """What a single file says of itself."""

    @abstractmethod
    def elements(self) -> dict[str, int]:
        """Return how many numbers each part has, read from the files' headers."""

    @abstractmethod
    def load(self, dtypes: Dtypes) -> Parts:
        """Load all parts on the CPU; CheckpointError."""

    @abstractmethod
    def hash(self) -> str:
        """Return the SHA-256, in hexadecimal, of all that its pictures depend on."""

    def schedule(self) -> Schedule:
        """Return the noise schedule; CheckpointError if it isn't supported."""
        return self.configs.schedule()

    def prior(self) -> TailPrior | None:
        """Load the tail prior beside the weights, on the CPU, if there is one.

        It is no part of the hash: a tail that began elsewhere serves as well.
        """
        path = self.notes / PRIOR
        try:
            return load_prior(path) if path.is_file() else None
        except PriorFileError as error:
            raise CheckpointError(f"{path} can't be loaded: {error}") from error

    def prior_hash(self) -> str | None:
        """Return the SHA-256 of the tail prior's file, if there is one: tails that begin at it depend on it."""
        path = self.notes / PRIOR
        return sha256_of(path) if path.is_file() else None


def digest_of(lines: Sequence[str]) -> str:
    """Return the SHA-256 of some lines of text."""
    return hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()


def frozen(model: Any) -> Any:
    """Return a model without gradients, as for inference."""
    return model.eval().requires_grad_(False)
