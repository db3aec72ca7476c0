"""What clients may send. The parameters are core's own; a recipe gives those that are not sent."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field

from core.models.parameters import EditParams, PersonalizeParams

SEED_LIMIT = 2**32


def _without_defaults(schema: dict[str, Any]) -> None:
    """Take the defaults out of a schema: the recipe decides them."""
    for field in schema["properties"].values():
        field.pop("default", None)


_CONFIG = ConfigDict(json_schema_extra=_without_defaults, allow_inf_nan=False)


class NewEdit(EditParams):
    """An edit of the tail that is made in the same call."""

    model_config = _CONFIG

    prompt: str = Field(description="says what to make of the subject", examples=["a sitting dog"])
    model: str | None = Field(None, description="must be the tail's model, which is the default")
    recipe: str = Field("", description="named settings; those of the tail otherwise", examples=["fast"])
    seed: int | None = Field(None, ge=0, lt=SEED_LIMIT, description="drawn when the job is accepted otherwise")


class PersonalizeFields(PersonalizeParams):
    """The fields of `POST /personalize` beside the picture in its body."""

    model_config = _CONFIG

    picture_url: str | None = Field(
        None,
        description="in place of picture: http(s), fetched before the job is accepted",
        examples=["https://example.org/dog.png"],
    )

    prompt: str = Field(description="says what the picture shows", examples=["a standing dog"])
    model: str | None = Field(None, description="one of GET /models; the default model otherwise")
    recipe: str = Field("", description="named settings; the model's default otherwise", examples=["fast"])
    seed: int | None = Field(None, ge=0, lt=SEED_LIMIT, description="drawn when the job is accepted otherwise")
    edits: list[NewEdit] = Field([], description="what to make of the subject at once; in a form, as JSON")


class EditFields(NewEdit):
    """The fields of `POST /edit`."""

    tail_id: str = Field(description="what POST /personalize answered; it need not be ready yet")


def personalize_body() -> dict[str, Any]:
    """Return OpenAPI's description of both bodies that `POST /personalize` takes."""
    picture = "JPEG, PNG or WebP"
    file = {"type": "string", "format": "binary", "description": picture}
    text = {
        "type": "string",
        "description": f"{picture}, as a data URI",
        "examples": ["data:image/png;base64,iVBORw0…"],
    }
    url = {"type": "object", "properties": {"url": {"type": "string"}}, "required": ["url"]}
    uri = {"anyOf": [text, url | {"additionalProperties": False, "description": "the same as picture_url"}]}
    example = {"prompt": "a standing dog", "picture": "data:image/png;base64,iVBORw0…", "recipe": "fast"}
    form = {"schema": _with_picture(file)}
    return _body({"multipart/form-data": form, "application/json": {"schema": _with_picture(uri), "example": example}})


def edit_body() -> dict[str, Any]:
    """Return OpenAPI's description of both bodies that `POST /edit` takes."""
    schema = EditFields.model_json_schema()
    example = {"tail_id": "tail_0123456789abcdef01234567", "prompt": "a sitting dog", "num_images": 4}
    return _body(
        {"application/json": {"schema": schema, "example": example}, "multipart/form-data": {"schema": schema}}
    )


def _with_picture(picture: dict[str, Any]) -> dict[str, Any]:
    schema = PersonalizeFields.model_json_schema()
    schema["properties"]["edits"]["items"] = schema.pop("$defs")["NewEdit"]  # it stands in no other schema
    schema["properties"] = {"picture": picture} | schema["properties"]
    schema["anyOf"] = [{"required": ["picture"]}, {"required": ["picture_url"]}]
    return schema


def _body(content: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": content}}
