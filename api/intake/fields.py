"""What clients may send. The parameters are core's own; a recipe gives those that are not sent."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from api.intake.webhook import FORM_EVENTS, WebhookField, form_events_schema
from core.jobs.lists.labels import Labels
from core.models.parameters import EditParams, Params, PersonalizeParams, TailUse
from core.models.sweeps import SEED_LIMIT, Sweep


def _without_defaults(schema: dict[str, Any]) -> None:
    """Take the defaults out of a schema: the recipe decides them."""
    for field in schema["properties"].values():
        field.pop("default", None)


Ttl = Annotated[
    int | None,
    Field(ge=60, le=315_360_000, description="seconds after its end until it is deleted; else the server's retention"),
]

FILE = {"type": "string", "format": "binary", "description": "with strength: the picture to start from"}
DATA_URI = FILE | {"format": "uri", "description": "with strength: the picture to start from, as a data URI"}


def _several(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": schema, "minItems": 1}


_CONFIG = ConfigDict(json_schema_extra=_without_defaults, allow_inf_nan=False)


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
    edits: list[NewEdit] = Field([], description="what to make of the subject at once; in a form, as JSON")
    webhook: WebhookField = None
    labels: Labels = Field(default_factory=dict)
    ttl: Ttl = None


class EditFields(NewEdit):
    """The fields of `POST /edit`."""

    tail_id: str | None = Field(None, description="what POST /personalize answered; it need not be ready yet")
    prompt: str = Field("", description="says what to make of the subject", examples=["a sitting dog"])
    sweep: Sweep | None = Field(
        None, description="a picture for each combination of these values, and all as one; in a form, as JSON"
    )
    picture_url: str | None = Field(
        None, description="with strength: the picture to start from, by its URL, in place of picture"
    )
    tails: list[TailUse] | None = Field(
        None, description="in place of tail_id: several, whose scaled residuals are added up; in a form, as JSON"
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


def label_body() -> dict[str, Any]:
    """Return OpenAPI's description of the body of `PATCH /tails/{id}`."""
    return _body({"application/json": {"schema": LabelChanges.model_json_schema()}})


def import_body() -> dict[str, Any]:
    """Return OpenAPI's description of both bodies that `POST /tails` takes."""
    file = {"type": "string", "format": "binary", "description": "safetensors"}
    text = {"type": "string", "format": "byte", "description": "a safetensors file, as base64"}
    form, uri = ({"schema": _with_file(each)} for each in (file, text))
    return _body({"multipart/form-data": form, "application/json": uri})


def _with_file(file: dict[str, Any]) -> dict[str, Any]:
    schema = ImportFields.model_json_schema()
    return schema | {"properties": {"file": file} | schema["properties"], "required": ["file"]}


_FILE = {"type": "string", "format": "binary"}
_URI = {"type": "string", "description": "a data URI", "examples": ["data:image/png;base64,iVBORw0…"]}
_URL = {
    "type": "object",
    "properties": {"url": {"type": "string"}},
    "required": ["url"],
    "additionalProperties": False,
    "description": "the same as picture_url",
}
_ONE = [_URI, _URL]


def personalize_body() -> dict[str, Any]:
    """Return OpenAPI's description of both bodies that `POST /personalize` takes."""
    picture = "the subject, as JPEG, PNG or WebP"
    file = {"description": f"{picture}; repeat it for several pictures", **_several(_FILE)}
    uri = {
        "description": f"{picture}: a data URI, a URL, or a list of them",
        "anyOf": [*_ONE, _several({"anyOf": _ONE})],
    }
    example = {"prompt": "a standing dog", "picture": "data:image/png;base64,iVBORw0…", "recipe": "fast"}
    schema = _schema(PersonalizeFields)
    bodies = {
        "multipart/form-data": {"schema": _with_picture(_as_form(schema), file)},
        "application/json": {"schema": _with_picture(schema, uri), "example": example},
    }
    return _body(bodies)


def edit_body() -> dict[str, Any]:
    """Return OpenAPI's description of both bodies that `POST /edit` takes."""
    schema = _schema(EditFields) | {"oneOf": [{"required": ["tail_id"]}, {"required": ["tails"]}]}
    example = {"tail_id": "tail_0123456789abcdef01234567", "prompt": "a sitting dog", "num_images": 4}
    with_file = schema | {"properties": {"picture": FILE} | schema["properties"]}
    with_uri = schema | {"properties": {"picture": DATA_URI} | schema["properties"]}
    return _body(
        {
            "application/json": {"schema": with_uri, "example": example},
            "multipart/form-data": {"schema": _as_form(with_file)},
        }
    )


def _schema(model: type[BaseModel]) -> dict[str, Any]:
    """Return a model's schema as it may stand anywhere: what it refers to is part of it."""
    schema = model.model_json_schema()
    definitions = schema.pop("$defs", {})
    inlined: dict[str, Any] = _inlined(schema, definitions)
    return inlined


def _inlined(part: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(part, list):
        return [_inlined(each, definitions) for each in part]
    if not isinstance(part, dict):
        return part
    if "$ref" in part:
        return _inlined(definitions[part["$ref"].rpartition("/")[2]], definitions)
    return {name: _inlined(each, definitions) for name, each in part.items()}


def _as_form(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of the same fields in a form, which has no objects."""
    webhook = {"type": "string", "description": "who is told of the job: a URL"}
    changed = {"webhook": webhook, FORM_EVENTS: form_events_schema()}
    return schema | {"properties": schema["properties"] | changed}


def _with_picture(schema: dict[str, Any], picture: dict[str, Any]) -> dict[str, Any]:
    either = [{"required": ["picture"]}, {"required": ["picture_url"]}]
    return schema | {"properties": {"picture": picture} | schema["properties"], "anyOf": either}


def _body(content: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": content}}
