"""All settings, from `TAILOR_*` variables."""

from __future__ import annotations

import re
from datetime import timedelta
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from core.limits import LimitSettings
from core.models.location import ModelLocation
from core.shipped import CODE, embedded_model
from core.webhooks.signing import check_secret

EMBEDDED_MODEL = "critters"
REPOSITORY = CODE  # where the checkout's other files are found from
INSTALL_CRITTERS = "install the wheel of tailor-critters, the embedded model, from where tailor's own came"


def _seconds(value: Any) -> Any:
    """Return a duration in seconds: a number of them, or a text like 7d, 12:00:00 or P7D."""
    if not isinstance(value, str):
        return value
    try:
        return float(value) if value.strip() else None
    except ValueError:
        pass
    try:
        return TypeAdapter(timedelta).validate_python(value).total_seconds()
    except ValidationError:
        raise ValueError(f"{value!r} is neither a number of seconds nor a duration like 7d or P7D") from None


Duration = Annotated[Annotated[float, Field(ge=60)] | None, BeforeValidator(_seconds)]


class NoModelError(Exception):
    """There is nothing to load; the message says in one line what to do."""


class Settings(LimitSettings):
    """All configuration, read from `TAILOR_*` environment variables (and a `.env` file)."""

    model_config = SettingsConfigDict(
        env_prefix="TAILOR_",
        env_file=".env",
        extra="ignore",
        hide_input_in_errors=True,  # some of it is secret
    )

    # Where things are
    storage: str = Field("data/storage", description="a folder, or s3://bucket/prefix")
    redis_url: str = Field("redis://localhost:6379/0", description="redis://…, rediss://… or unix:///path")
    s3_endpoint_url: str | None = Field(None, description="S3 as the servers reach it; None: AWS")
    s3_public_endpoint_url: str | None = Field(None, description="S3 as clients reach it, for signed URLs")
    s3_region: str = "us-east-1"
    s3_access_key: str | None = Field(None, description="None: boto3's own chain of credentials")
    s3_secret_key: str | None = None
    secret: str | None = Field(None, description="signs URLs; None: one is made and kept in storage")
    public_url: str | None = Field(
        None, description="the API as clients reach it, in all links; None: see trusted_hosts"
    )
    trusted_hosts: str = Field(
        "", description="names in Host that get into links, comma-separated, *.example.com too, besides localhost"
    )
    cors_origins: str = Field("", description="https://app.example.com, comma-separated: pages that may use the API")
    require_keys: Literal["auto", "always", "never"] = Field(
        "auto", description="API keys; auto: of all but what comes over the loopback interface, and not through a proxy"
    )
    url_ttl_s: int = Field(3600, ge=10, description="how long signed URLs hold")

    # Models
    models: str = Field(
        "",
        description="name=folder, file.safetensors or hub name, comma-separated, beside the embedded model; the first "
        "is the default. +lora:file@0.8 and +ti:file merge what they name into it",
    )
    device: str = Field(
        "auto", description="auto (CUDA, else Apple's GPU; the CPU where there is none), cpu, mps, cuda, cuda:1 …"
    )
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    compile: bool = Field(False, description="compile UNets with torch.compile: minutes at the first calls")
    model_memory_mb: int = Field(16_000, ge=1, description="budget of the model cache")
    gpu_memory_share: float = Field(1.0, gt=0, le=1, description="of the GPU's memory, for workers that share one")

    seats: str | None = Field(None, description="folder in which the workers of a machine see how others ended")

    # What a worker does at once
    personalize_slots: int = Field(8, ge=1)
    edit_slots: int = Field(8, ge=1)
    max_batch: int = Field(
        16, ge=1, description="most rows of a UNet call, a power of two; on CUDA fewer when its memory holds no more"
    )
    threads: int = Field(0, ge=0, description="torch's threads; 0: as many as CPUs, in a container as its quota gives")
    nice: int = Field(5, ge=0, le=19, description="how far a worker stands back for the API and Redis on its machine")
    stall_s: float = Field(300, gt=0, description="a worker whose engine has not ticked for so long exits")

    # Limits
    max_picture_bytes: int = Field(20 * 2**20, description="of all pictures of a request together")
    max_picture_pixels: int = Field(50_000_000, description="of all pictures of a request together")
    max_pictures: int = Field(16, ge=1, description="of one personalization")
    max_pixels_in_flight: int = Field(
        100_000_000, ge=1, description="decoded at once in an API process, 5 bytes each; a pixel of WebP counts as 4"
    )
    max_decode_wait_s: float = Field(40, ge=0, description="an upload that waits longer to be decoded gets 503")
    max_body_bytes_in_flight: int = Field(
        256 * 2**20, ge=1, description="of all requests that an API process reads at once; beyond it they get 503"
    )
    max_prompt_chars: int = 1000
    max_num_images: int = 8
    max_edits: int = Field(16, ge=0, description="of one POST /personalize")
    max_inline_bytes: int = Field(2 * 2**20, ge=0, description="of the pictures that one answer holds as base64")
    max_steps: int = Field(
        5000, description="most optimizer steps of a personalization, also of one that leaves them to the recipe"
    )
    max_sweep: int = Field(36, ge=1, description="pictures of one sweep")
    max_tails: int = Field(4, ge=1, le=16, description="of one edit")
    max_tail_bytes: int = Field(2**19, ge=1024, description="a tail's file that is sent; JSON takes 256 KiB at most")
    max_labels: int = Field(8, ge=0, le=24, description="of a job or a tail")
    max_label_chars: int = Field(100, ge=1, description="of a label's value; its name has 32 at most")
    max_queued: int = Field(1000, ge=1, description="per kind; beyond it new jobs get 429")
    max_open_per_owner: int | None = Field(
        None, ge=1, description="jobs of one owner that have not ended; beyond it new ones get 429; None: as max_queued"
    )
    retention: Duration = Field(
        None, description="how long ended jobs and tails are kept: seconds, 7d, P7D; None: for ever"
    )
    deadline_s: float = Field(86_400, gt=0, description="a job that has not ended so long after its acceptance fails")

    # What the server itself asks, on a client's word
    allowed_inner_hosts: str = Field(
        "", description="names, addresses and networks, comma-separated, that it may reach although they are inner ones"
    )
    picture_url_timeout_s: float = Field(20, gt=0, description="for all of a picture that is fetched")
    picture_url_fetches: int = Field(8, ge=1, description="pictures that an API process fetches at once")

    # Webhooks (docs/http.md)
    webhook_url: str | None = Field(None, description="is told of the jobs that name no webhook; needs webhook_secrets")
    webhook_secrets: str = Field(
        "", repr=False, description="whsec_…, comma-separated, the newest first; each signs. None: made of `secret`"
    )
    webhook_retries_s: str = Field(
        "5,60,300,1800,7200,18000,36000,50400,72000", description="waits between the attempts at a delivery"
    )
    webhook_timeout_s: float = Field(20, gt=0, description="for all of an attempt")
    webhook_sends: int = Field(16, ge=1, description="that an API process makes at once")

    # A job's life (docs/design.md, section 5)
    lease_s: float = 15
    renew_s: float = 5
    reconcile_s: float = 2
    checkpoint_s: float = 5
    max_attempts: int = 3

    @field_validator("models")
    @classmethod
    def _models_are_pairs(cls, value: str) -> str:
        for pair in filter(None, (p.strip() for p in value.split(","))):
            name, _, location = pair.partition("=")
            if not name.strip().replace("-", "").replace("_", "").replace(".", "").isalnum() or not location.strip():
                raise ValueError(f"models: {pair!r} is not name=folder, file or hub name")
            ModelLocation.parse(location)
        return value

    @field_validator("webhook_secrets")
    @classmethod
    def _secrets_are_secrets(cls, value: str) -> str:
        for secret in filter(None, (part.strip() for part in value.split(","))):
            check_secret(secret)
        return value

    @field_validator("webhook_retries_s")
    @classmethod
    def _retries_are_times(cls, value: str) -> str:
        if any(float(part) <= 0 for part in value.split(",") if part.strip()):
            raise ValueError("webhook_retries_s: every wait must be longer than nothing")
        return value

    @model_validator(mode="after")
    def _the_servers_webhook_is_signed(self) -> Settings:
        if self.webhook_url and not self.webhook_signing_secrets:
            raise ValueError("webhook_url needs webhook_secrets, with which its receiver checks what it gets")
        return self

    @model_validator(mode="after")
    def _origins_are_origins(self) -> Settings:
        for origin in self.cors_origins_list:
            if origin == "*" and self.require_keys != "always":
                raise ValueError("cors_origins: * lets in every page, which needs require_keys=always")
            if origin != "*" and not re.fullmatch(r"https?://[^/\s]+", origin):
                raise ValueError(f"cors_origins: {origin!r} is not an origin, as https://app.example.com is")
        return self

    @property
    def webhook_signing_secrets(self) -> tuple[str, ...]:
        """The server's secrets for webhooks, the newest first."""
        return tuple(part.strip() for part in self.webhook_secrets.split(",") if part.strip())

    @property
    def webhook_delays_s(self) -> tuple[float, ...]:
        """The waits between attempts in seconds."""
        return tuple(float(part) for part in self.webhook_retries_s.split(",") if part.strip())

    @property
    def trusted_hosts_list(self) -> list[str]:
        """The hosts in `trusted_hosts`."""
        return [host.strip().lower() for host in self.trusted_hosts.split(",") if host.strip()]

    @property
    def cors_origins_list(self) -> list[str]:
        """The origins in `cors_origins`."""
        return [origin.strip() for origin in self.cors_origins.split(",") if origin.strip()]

    @cached_property
    def model_locations(self) -> dict[str, str]:
        """Every served model's name and location; the default model comes first.

        The embedded one is among them even where its location is empty, as the API's image has no weights.
        """
        pairs = (pair.partition("=") for pair in self.models.split(",") if pair.strip())
        named = {name.strip(): location.strip() for name, _, location in pairs}
        return named if EMBEDDED_MODEL in named else named | {EMBEDDED_MODEL: str(embedded_model() or "")}

    @property
    def loadable_models(self) -> dict[str, str]:
        """The models that a process here can load: all of them, or those without the embedded one, which is optional.

        Raises NoModelError when none is left.
        """
        found = {name: location for name, location in self.model_locations.items() if location}
        if not found:
            raise NoModelError(f"no model to load: {INSTALL_CRITTERS}, or name models of your own in TAILOR_MODELS")
        return found

    @property
    def default_model(self) -> str:
        """The model that requests without `model` get."""
        return next(iter(self.model_locations))
