"""What a job is told to do: the parameters of both kinds, and recipes, which are named defaults for them."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Params(BaseModel):
    """Base of what a job is told to do: immutable; an unknown field is an error, as leaving it out would be a guess."""

    model_config = ConfigDict(frozen=True, extra="forbid")


Fit = Literal["crop", "pad"]


class PersonalizeParams(Params):
    """How a tail is optimized; the recipe gives the defaults."""

    recipe: str = "fast"
    beginning: Literal["prompt", "prior"] = Field(
        "prompt",
        description="where the tail begins: at the source prompt's own last vectors, as in the paper, "
        "or at what the model's tail prior guesses from the picture",
    )
    positions: int = Field(5, ge=1, le=32, description="n, the vectors of the tail")
    learning_rate: float = Field(5e-3, gt=0, le=1)
    learning_rate_schedule: Literal["constant", "cosine"] = "constant"
    steps: int = Field(1000, ge=1, description="optimizer steps")
    timestep_low: int = Field(0, ge=0, le=999, description="timesteps are drawn from low..high, both included")
    timestep_high: int = Field(999, ge=0, le=999)
    timestep_drift: int = Field(
        0, ge=0, le=999, description="how far that range has moved down at the last step: from coarse to fine"
    )
    uniform_share: float = Field(0.0, ge=0, le=1, description="share of the steps that draw from 0..999 instead")
    posterior: Literal["sample", "mean"] = "sample"
    fit: Fit = "crop"
    previews: bool = Field(False, description="tell up to twenty small pictures of how far it is, as events")
    exact: bool = Field(False, description="pin the batch bucket, so that a repeat is equal bit for bit")


class EditParams(Params):
    """How an edit is sampled; the recipe of the tail gives the defaults."""

    negative_prompt: str = ""
    num_images: int = Field(1, ge=1)
    tail_scale: float = Field(0.8, ge=0, le=2, description="how strongly the subject is kept against the prompt")
    tail_mode: Literal["replace", "residual"] = Field(
        "replace",
        description="replace: the scaled tail stands in place of the prompt's last n vectors, as in the paper; "
        "residual: what the tail learned beyond its source prompt is scaled and added to them",
    )
    guidance_scale: float = Field(7.5, ge=1, le=30)
    num_inference_steps: int = Field(50, ge=1, le=200)
    sampler: Literal["ddim", "dpmpp_2m"] = "ddim"
    width: int | None = Field(None, ge=8, description="pixels; the model's own size otherwise")
    height: int | None = Field(None, ge=8, description="pixels; the model's own size otherwise")
    strength: float | None = Field(
        None,
        gt=0,
        le=1,
        description="start from the source picture with so much noise: little keeps its layout; None: from noise alone",
    )
    exact: bool = Field(False, description="pin the batch bucket, so that a repeat is equal bit for bit")


class TailUse(Params):
    """One of several tails of an edit."""

    id: str = Field(examples=["tail_0123456789abcdef01234567"])
    scale: float | None = Field(None, ge=0, le=2, description="of this tail; the edit's tail_scale otherwise")


class Recipe(Params):
    """Named defaults for both halves; stored per backbone."""

    personalize: PersonalizeParams
    edit: EditParams
