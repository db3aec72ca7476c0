"""What a tail file says of its tail: where it comes from, and how it is used, with or without a server."""

from __future__ import annotations

from typing import Literal

from core.record import Record

FORMAT_VERSION = 1


class TailMetadata(Record):
    """The metadata of a tail file (safetensors), which holds text only: numbers stand there as text.

    Beside it the file has `tail` (n, D) and `source_tail` (n, D), the last vectors of the source prompt's own encoding,
    which a residual tail is used with. What is None the file does not say; files of version 0 have the first four only.
    """

    format_version: int = 0
    tail_id: str = ""
    model: str = ""
    model_hash: str = ""
    prompt: str = ""
    recipe: str | None = None
    tail_mode: Literal["replace", "residual"] | None = None
    tail_scale: float | None = None
    guidance_scale: float | None = None
    num_inference_steps: int | None = None
    sampler: Literal["ddim", "dpmpp_2m"] | None = None
    scheduler: str | None = None
    """The class of diffusers that samples as `sampler` does."""
    scheduler_config: str | None = None
    """A JSON object: what has to be set of that class beside the model's own noise schedule."""

    def as_text(self) -> dict[str, str]:
        """Return what is to be written into the file."""
        return {name: str(value) for name, value in self if value is not None}
