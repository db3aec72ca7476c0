"""The schemas of what clients send, as JSON and as forms, within the limits of this server."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from api.intake.fields import EditFields, ImportFields, LabelChanges, PersonalizeFields
from api.intake.webhook import FORM_EVENTS
from api.outbound.urls import MAX_CHARS
from core.config import Settings
from core.webhooks.records import END_EVENTS

Schema = dict[str, Any]
REF = "#/components/schemas/"
_SHOWN = r"[^\u0000-\u001f\u007f-\u009f]*"  # no control characters
_NOT_BLANK = rf"^{_SHOWN}[^\s\u0000-\u001f\u007f-\u009f]{_SHOWN}$"
_EVENT = r"job\.(started|succeeded|failed|canceled)"
URL = {"type": "string", "maxLength": MAX_CHARS, "pattern": r"^[Hh][Tt][Tt][Pp][Ss]?://[^/?#\s]"}
FILE = {"type": "string", "format": "binary"}
DATA_URI = {"type": "string", "description": "a data URI", "pattern": r"^data:"}
NULL = {"type": "null"}


def components(settings: Settings) -> dict[str, Schema]:
    """Return the schemas of all request bodies, and of what they are made of, by name."""
    found: dict[str, Schema] = {}
    personalize = _schema(PersonalizeFields, found)
    edit = _schema(EditFields, found)
    imported = _schema(ImportFields, found)
    found |= {
        "PersonalizeRequest": _personalize(personalize, settings),
        "PersonalizeForm": _personalize_form(personalize, settings),
        "EditRequest": _edit(edit, absent=NULL),
        "EditForm": _edit_form(edit),
        "ImportRequest": _with(imported, {"file": _text("a safetensors file, as base64") | {"format": "byte"}}),
        "ImportForm": _as_form(_with(imported, {"file": FILE | {"description": "safetensors"}})),
        "LabelChanges": _schema(LabelChanges, found),
    }
    return {name: _within(schema, _limits(settings)) for name, schema in found.items()}


def _schema(model: type[BaseModel], found: dict[str, Schema]) -> Schema:
    """Return a model's schema; what it refers to goes to `found`."""
    schema = model.model_json_schema(ref_template=REF + "{model}")
    found |= schema.pop("$defs", {})
    return schema


def _text(description: str) -> Schema:
    return {"type": "string", "description": description}


def _with(schema: Schema, properties: dict[str, Schema], *required: str) -> Schema:
    needed = [*schema.get("required", []), *(required or properties)]
    return schema | {"properties": properties | schema["properties"], "required": needed}


def _several(item: Schema, most: int) -> Schema:
    return {"type": "array", "items": item, "minItems": 1, "maxItems": most}


def _personalize(fields: Schema, settings: Settings) -> Schema:
    link = {"type": "object", "properties": {"url": URL}, "required": ["url"], "additionalProperties": False}
    one = [DATA_URI, link | {"description": "the same as picture_url"}]
    picture = {
        "description": "the subject, as JPEG, PNG or WebP: a data URI, a URL, or a list of them",
        "anyOf": [*one, _several({"anyOf": one}, settings.max_pictures), NULL],
    }
    urls = fields["properties"]["picture_url"]
    urls = urls | {"anyOf": [URL, _several(URL, settings.max_pictures), NULL]}
    return _one_of_two(fields | {"properties": {"picture": picture} | fields["properties"] | {"picture_url": urls}})


def _one_of_two(schema: Schema) -> Schema:
    """Return the schema of an object that has a picture, or its URL."""
    given = [_given("picture", NULL, "picture_url"), _given("picture_url", NULL, "picture")]
    return schema | {"oneOf": given}


def _given(name: str, absent: Schema, *others: str) -> Schema:
    properties = {name: {"not": absent}} | dict.fromkeys(others, absent)
    return {"required": [name], "properties": properties}


def _personalize_form(fields: Schema, settings: Settings) -> Schema:
    description = "the subject, as JPEG, PNG or WebP; repeat it for several pictures"
    picture = _several(FILE, settings.max_pictures) | {"description": description}
    urls = _several(URL, settings.max_pictures) | {"description": fields["properties"]["picture_url"]["description"]}
    prompt = fields["properties"]["prompt"]
    prompt = _several({"type": "string"}, settings.max_pictures) | {"description": prompt["description"]}
    properties = {"picture": picture, "prompt": prompt, "picture_url": urls}
    schema = _as_form(fields)
    either = [{"required": ["picture"]}, {"required": ["picture_url"]}]
    return (
        schema
        | {"properties": properties | {k: v for k, v in schema["properties"].items() if k not in properties}}
        | {"oneOf": either}
    )


def _edit(fields: Schema, *, absent: Schema) -> Schema:
    """Return the schema of an edit in which fields that are not given may be `absent`."""
    picture = {"description": "with strength: the picture to start from, a data URI", "anyOf": [DATA_URI, NULL]}
    schema = fields | {"properties": {"picture": picture} | fields["properties"]}
    with_strength = {"required": ["strength"], "properties": {"strength": {"type": "number"}}}
    return schema | {
        "oneOf": [_given("tail_id", absent, "tails"), _given("tails", absent, "tail_id")],
        "allOf": [
            {"anyOf": [{"required": ["prompt"]}, _given_sweep("prompt")]},
            {"anyOf": [with_strength, _none(absent, "picture", "picture_url")]},
            {"anyOf": [_none(absent, "sweep"), {"properties": {"num_images": {"const": 1}}}]},
            {"anyOf": [_none(absent, "picture"), _none(absent, "picture_url")]},
        ],
    }  # fmt: skip


def _given_sweep(name: str) -> Schema:
    return {
        "required": ["sweep"],
        "properties": {"sweep": {"required": [name], "properties": {name: {"type": "array"}}}},
    }


def _none(absent: Schema, *names: str) -> Schema:
    return {"properties": dict.fromkeys(names, absent)}


def _edit_form(fields: Schema) -> Schema:
    picture = FILE | {"description": "with strength: the picture to start from"}
    schema = _as_form(fields)
    properties = {"picture": picture} | schema["properties"]
    return schema | {
        "properties": properties,
        "oneOf": [{"required": ["tail_id"]}, {"required": ["tails"]}],
        "anyOf": [{"required": ["prompt"]}, _given_sweep("prompt")],
        "dependentRequired": {"picture": ["strength"], "picture_url": ["strength"]},
        "allOf": [{"not": {"required": both}} for both in (["sweep", "num_images"], ["picture", "picture_url"])],
    }


def _as_form(schema: Schema) -> Schema:
    """Return the schema of the same fields in a form, which has no null."""
    properties = {name: without_null(field) for name, field in schema["properties"].items()}
    if "webhook" in properties:
        events = "of the webhook, comma-separated; the three ends, if not given"
        properties["webhook"] = _text("who is told of the job")
        properties[FORM_EVENTS] = _text(events) | {
            "pattern": rf"^ *{_EVENT} *(, *{_EVENT} *)*$",
            "examples": [",".join(END_EVENTS)],
        }
    return schema | {"properties": properties}


def without_null(field: Schema) -> Schema:
    """Return the schema of a field that is a text on its way, and so never null."""
    if "anyOf" not in field:
        return field
    others = [each for each in field["anyOf"] if each != NULL]
    rest = {name: value for name, value in field.items() if name != "anyOf"}
    return others[0] | rest if len(others) == 1 else rest | {"anyOf": others}


def _limits(settings: Settings) -> dict[str, Schema]:
    """Return what this server allows, by the name of the field."""
    text = {"type": "string", "minLength": 1, "maxLength": settings.max_prompt_chars, "pattern": _NOT_BLANK}
    blank = {"type": "string", "maxLength": settings.max_prompt_chars, "pattern": f"^({_NOT_BLANK[1:-1]})?$"}
    ttl = {} if settings.retention is None else {"ttl": {"type": "integer", "maximum": int(settings.retention)}}
    return {
        "prompt": text,
        "tail_id": {"type": "string", "minLength": 1},
        "negative_prompt": blank,
        "steps": {"type": "integer", "maximum": settings.max_steps},
        "num_images": {"type": "integer", "maximum": settings.max_num_images},
        "edits": {"type": "array", "maxItems": settings.max_edits},
        "tails": {"type": "array", "minItems": 1, "maxItems": settings.max_tails},
        "labels": {"type": "object", "maxProperties": settings.max_labels} | _LABEL_NAMES,
        "webhook": URL,
        "url": URL,
        "picture_url": URL,
        **ttl,
    }


_LABEL_NAMES = {"propertyNames": {"pattern": r"^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$"}}


def _within(schema: Schema, limits: dict[str, Schema]) -> Schema:
    """Return a schema whose properties say what this server allows."""
    properties = schema.get("properties", {})
    narrowed = {name: _narrow(field, limits[name]) if name in limits else field for name, field in properties.items()}
    return schema | ({"properties": narrowed} if properties else {})


def _narrow(field: Schema, limit: Schema) -> Schema:
    """Return the schema of a field within a limit, which holds for what has its type: itself, or what it is made of."""
    if "anyOf" in field:
        return field | {"anyOf": [_narrow(each, limit) for each in field["anyOf"]]}
    if field.get("type") == limit["type"]:
        return field | limit
    if field.get("type") == "array" and "items" in field:
        return field | {"items": _narrow(field["items"], limit)}
    return field
