"""What is written down about jobs, tails and models. Every record carries its schema version and owner."""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

SCHEMA_VERSION = 1
JobKind = Literal["personalize", "edit"]
KINDS: tuple[JobKind, ...] = ("personalize", "edit")
DEFAULT_OWNER = "public"

_JOB_ID = re.compile(r"job_[0-9a-f]{24}")
_TAIL_ID = re.compile(r"tail_[0-9a-f]{24}")


def new_job_id() -> str:
    """Return a fresh job id."""
    return f"job_{secrets.token_hex(12)}"


def is_job_id(text: str) -> bool:
    """Tell whether the text has the form of a job id."""
    return _JOB_ID.fullmatch(text) is not None


def is_tail_id(text: str) -> bool:
    """Tell whether the text has the form of a tail id."""
    return _TAIL_ID.fullmatch(text) is not None


def tail_of(job_id: str) -> str:
    """Return the id of the tail that a personalization makes."""
    return "tail_" + job_id.removeprefix("job_")


def job_of(tail_id: str) -> str:
    """Return the id of the personalization that makes a tail."""
    return "job_" + tail_id.removeprefix("tail_")


def utc_now() -> datetime:
    """Return the time now, with its zone."""
    return datetime.now(UTC)


class JobStatus(StrEnum):
    """Where a job stands."""

    WAITING = "waiting"
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"

    @property
    def ended(self) -> bool:
        """Whether nothing can change any more."""
        return self in (JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELED)


class Record(BaseModel):
    """Base of what is stored: immutable; a newer version's field is passed over, so that versions can run together."""

    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())


class Params(BaseModel):
    """Base of what a job is told to do: immutable; an unknown field is an error, as leaving it out would be a guess."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PersonalizeParams(Params):
    """How a tail is optimised; the recipe gives the defaults."""

    recipe: str = "fast"
    positions: int = Field(5, ge=1, le=32, description="n, the vectors of the tail")
    learning_rate: float = Field(5e-3, gt=0, le=1)
    learning_rate_schedule: Literal["constant", "cosine"] = "constant"
    steps: int = Field(1000, ge=1, description="optimiser steps")
    timestep_low: int = Field(0, ge=0, le=999, description="timesteps are drawn from low..high, both included")
    timestep_high: int = Field(999, ge=0, le=999)
    timestep_drift: int = Field(
        0, ge=0, le=999, description="how far that range has moved down at the last step: from coarse to fine"
    )
    uniform_share: float = Field(0.0, ge=0, le=1, description="share of the steps that draw from 0..999 instead")
    posterior: Literal["sample", "mean"] = "sample"
    fit: Literal["crop", "pad"] = "crop"
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
    strength: float | None = Field(None, gt=0, le=1, description="start from the source picture; None: from noise")
    exact: bool = Field(False, description="pin the batch bucket, so that a repeat is equal bit for bit")


class Recipe(Params):
    """Named defaults for both halves; stored per backbone."""

    personalize: PersonalizeParams
    edit: EditParams


class ModelInfo(Record):
    """What a worker publishes about a backbone, so that the API needs no torch to check requests."""

    schema_version: int = SCHEMA_VERSION
    name: str
    hash: str
    description: str = ""
    image_size: int = Field(description="pixels a side")
    sequence_length: int = Field(description="L, the tokens of a prompt with its padding")
    width: int = Field(description="D")
    recipes: dict[str, Recipe]
    default_recipe: str = "fast"


class JobSpec(Record):
    """`jobs/{id}/job.json`: what was accepted. It never changes."""

    schema_version: int = SCHEMA_VERSION
    id: str
    owner: str = DEFAULT_OWNER
    kind: JobKind
    created_at: datetime
    deadline_at: datetime
    model: str
    model_hash: str
    prompt: str
    seed: int = Field(ge=0, lt=2**63)
    tail_id: str = Field(description="the tail that a personalization makes or an edit uses")
    personalize: PersonalizeParams | None = None
    edit: EditParams | None = None
    picture_key: str | None = Field(None, description="the source picture, as the backbone will see it")
    request_hash: str = Field("", description="SHA-256 of the canonical fields and the picture, for Idempotency-Key")

    @property
    def tail_job(self) -> str:
        """The id of the personalization that makes this job's tail."""
        return job_of(self.tail_id)


class Problem(Record):
    """Why a job failed: the `type`, `title` and `detail` of a problem document."""

    type: str
    title: str
    detail: str


class JobEnd(Record):
    """`jobs/{id}/end.json`: the only commit point. It names the winning keys."""

    schema_version: int = SCHEMA_VERSION
    job_id: str
    status: JobStatus
    ended_at: datetime
    attempt: int = 0
    error: Problem | None = None
    tail_key: str | None = None
    result_keys: tuple[str, ...] = ()
    receipt: dict[str, Any] = Field(default_factory=dict)
    deleted: bool = Field(False, description="a tombstone: the job was deleted with all its bytes")


class Live(Record):
    """The live record: how far a job is. Best effort; storage decides."""

    status: JobStatus
    attempt: int = 0
    step: int = 0
    steps: int = 0
    loss: float | None = None
    eta_s: float | None = None
    position: int | None = Field(None, description="jobs of this kind before it; None unless queued")


class JobState(Record):
    """A job as a reader sees it: what was accepted, how far it is and how it ended."""

    spec: JobSpec
    live: Live
    end: JobEnd | None = None

    @property
    def status(self) -> JobStatus:
        """The end's status once there is one."""
        return self.end.status if self.end else self.live.status
