"""The families of checkpoints that can be loaded, and which parts they have."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any


class Family(StrEnum):
    """A kind of Stable Diffusion."""

    SD1 = "sd1"
    SD2 = "sd2"
    SDXL = "sdxl"

    @property
    def full_name(self) -> str:
        """Its name as people write it."""
        return {"sd1": "Stable Diffusion 1.x", "sd2": "Stable Diffusion 2.x", "sdxl": "Stable Diffusion XL"}[self]

    @property
    def text_encoders(self) -> tuple[str, ...]:
        """Its text encoders' folders in diffusers' layout."""
        return ("text_encoder", "text_encoder_2") if self is Family.SDXL else ("text_encoder",)

    @property
    def tokenizers(self) -> tuple[str, ...]:
        """Their tokenizers' folders."""
        return ("tokenizer", "tokenizer_2") if self is Family.SDXL else ("tokenizer",)

    @property
    def parts(self) -> tuple[str, ...]:
        """The folders of all parts that have weights."""
        return (*self.text_encoders, "unet", "vae")


def family_of(pipeline: str | None, unet: Mapping[str, Any]) -> Family | None:
    """Return the family of a pipeline class of diffusers with the config of its UNet; None if it is none of ours."""
    if pipeline == "StableDiffusionXLPipeline":
        return Family.SDXL
    if pipeline != "StableDiffusionPipeline":
        return None
    return Family.SD2 if unet.get("use_linear_projection") else Family.SD1
