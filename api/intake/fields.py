"""What clients may send. The parameters are core's own; a recipe gives those that are not sent."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from api.intake.webhook import WebhookField
from core.jobs.lists.labels import Labels
from core.models.parameters import EditParams, Params, PersonalizeParams, TailUse
from core.models.sweeps import SEED_LIMIT, Sweep


def without_defaults(schema: dict[str, Any]) -> None:
    """Take the defaults out of a schema: something else decides, or there is none."""
    for field in schema["properties"].values():
        field.pop("default", None)


Ttl = Annotated[
    int | None,
    Field(ge=60, le=315_360_000, description="seconds after its end until it is deleted; else the server's retention"),
]


def _several(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": schema, "minItems": 1}


_CONFIG = ConfigDict(json_schema_extra=without_defaults, allow_inf_nan=False)


def _one_or_several(value: object) -> tuple[str, ...]:
    texts = value if isinstance(value, list) else [value]
    if not texts or not all(isinstance(text, str) for text in texts):
        raise PydanticCustomError("texts", "Input should be a valid string, or a list of strings")
    return tuple(texts)


def _alike_or_not(texts: tuple[str, ...]) -> str | list[str]:
    return list(texts) if len(set(texts)) > 1 else texts[0]


Prompts = Annotated[
    tuple[str, ...],
    PlainValidator(_one_or_several),
    PlainSerializer(_alike_or_not),
    WithJsonSchema({"anyOf": [{"type": "string"}, _several({"type": "string"})]}),
]


class NewEdit(EditParams):
    """An edit of the tail that is made in the same call."""

    model_config = _CONFIG

    prompt: str = Field(description="says what to make of the subject", examples=["a sitting dog"])
    model: str | None = Field(None, description="must be the tail's model, which is the default")
    recipe: str = Field("", description="named settings; those of the tail otherwise", examples=["fast"])
    seed: int | None = Field(None, ge=0, lt=SEED_LIMIT, description="drawn when the job is accepted otherwise")
    labels: Labels = Field(default_factory=dict)
    ttl: Ttl = None


class PersonalizeFields(PersonalizeParams):
    """The fields of `POST /personalize` beside the pictures in its body."""

    model_config = _CONFIG

    picture_url: str | None = Field(
        None,
        description="in place of picture: http(s), fetched before the job is accepted",
        examples=["https://example.org/dog.png"],
    )

    prompt: Prompts = Field(
        description="says what the picture shows; with several pictures one for all, or one for each",
        examples=["a standing dog"],
    )
    model: str | None = Field(None, description="one of GET /models; the default model otherwise")
    recipe: str = Field("", description="named settings; the model's default otherwise", examples=["fast"])
    seed: int | None = Field(None, ge=0, lt=SEED_LIMIT, description="drawn when the job is accepted otherwise")
    edits: list[NewEdit] = Field([], description="what to make of the subject at once")
    webhook: WebhookField = None
    labels: Labels = Field(default_factory=dict)
    ttl: Ttl = None


class EditFields(NewEdit):
    """The fields of `POST /edit`."""

    tail_id: str | None = Field(None, description="what POST /personalize answered; it need not be ready yet")
    prompt: str = Field("", description="says what to make of the subject", examples=["a sitting dog"])
    sweep: Sweep | None = Field(None, description="a picture for each combination of these values, and all as one")
    picture_url: str | None = Field(
        None, description="with strength: the picture to start from, by its URL, in place of picture"
    )
    tails: list[TailUse] | None = Field(
        None, description="in place of tail_id: several, whose scaled residuals are added up"
    )
    webhook: WebhookField = None


class ImportFields(Params):
    """The fields of `POST /tails` beside the file in its body."""

    model_config = _CONFIG

    labels: Labels = Field(default_factory=dict)
    ttl: Ttl = None
    prompt: str | None = Field(None, description="the prompt that it was learned with; the file's own otherwise")
    model: str | None = Field(
        None, description="must be the model that the file names by its hash, which is the default"
    )


class LabelChanges(BaseModel):
    """The body of `PATCH /tails/{id}`."""

    model_config = ConfigDict(extra="forbid")

    labels: dict[str, str | None] = Field(description="null removes one", examples=[{"name": "Rex", "old": None}])
