"""What a worker publishes about a backbone."""

from __future__ import annotations

from pydantic import Field

from core.models.parameters import Recipe
from core.record import SCHEMA_VERSION, Record


class ModelInfo(Record):
    """What a worker publishes about a backbone, so that the API needs no torch to check requests."""

    schema_version: int = SCHEMA_VERSION
    name: str
    hash: str
    description: str = ""
    family: str = Field("", description="sd1, sd2 or sdxl", examples=["sdxl"])
    image_size: int = Field(description="pixels a side")
    size_multiple: int = Field(8, description="of which an edit's width and height must be multiples")
    sequence_length: int = Field(description="L, the tokens of a prompt with its padding")
    width: int = Field(description="D")
    prior_positions: int = Field(0, description="the vectors that the model's tail prior guesses; 0: it has none")
    words: dict[str, int] = Field({}, description="that textual inversions have added, with their number of tokens")
    recipes: dict[str, Recipe]
    device: str = Field("cpu", description="what its worker computes on; `exact` holds on the CPU only")
    dtype: str = Field("", description="the number type of its UNet there", examples=["bfloat16"])
    license: str | None = Field(None, description="the text or the name of its license, if it says one")
    default_recipe: str = "fast"
