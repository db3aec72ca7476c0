"""What can be said of a job beside its pictures, its tail and its prompt; what is left out the server decides."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

WebhookEventName = Literal["job.started", "job.succeeded", "job.failed", "job.canceled"]
Sampler = Literal["ddim", "dpmpp_2m"]
TailMode = Literal["replace", "residual"]


class Webhook(TypedDict):
    """Who is told of a job, and of what; without events of its end."""

    url: str
    events: NotRequired[list[WebhookEventName]]


class Sweep(TypedDict, total=False):
    """The values that a sweep goes through; the first vary slowest."""

    prompt: list[str]
    seed: list[int]
    tail_scale: list[float]
    guidance_scale: list[float]


class _Sampling(TypedDict, total=False):
    negative_prompt: str | None
    num_images: int | None
    tail_scale: float | None
    tail_mode: TailMode | None
    guidance_scale: float | None
    num_inference_steps: int | None
    sampler: Sampler | None
    width: int | None
    height: int | None
    strength: float | None
    exact: bool | None
    model: str | None
    recipe: str | None
    seed: int | None
    labels: dict[str, str] | None
    ttl: int | None


class NewEdit(_Sampling):
    """An edit that comes in one call with the personalization of its tail."""

    prompt: str


class EditOptions(_Sampling, total=False):
    """What `edit` takes."""

    sweep: Sweep | None
    webhook: str | Webhook | None


class PersonalizeOptions(TypedDict, total=False):
    """What `personalize` takes."""

    model: str | None
    recipe: str | None
    seed: int | None
    steps: int | None
    positions: int | None
    beginning: Literal["prompt", "prior"] | None
    learning_rate: float | None
    learning_rate_schedule: Literal["constant", "cosine"] | None
    timestep_low: int | None
    timestep_high: int | None
    timestep_drift: int | None
    uniform_share: float | None
    posterior: Literal["sample", "mean"] | None
    fit: Literal["crop", "pad"] | None
    previews: bool | None
    exact: bool | None
    edits: list[NewEdit] | None
    labels: dict[str, str] | None
    ttl: int | None
    webhook: str | Webhook | None
