"""What clients get to see of limits: each with its unit, what it bounds and the setting that it comes from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, Field

from api.intake.bodies import FORM_OVERHEAD, BodyLimit
from api.intake.fetching import MOST_REDIRECTS
from api.intake.fields import EditFields, PersonalizeFields
from api.intake.identity import MAX_KEY_CHARS
from api.intake.parsing import MAX_FORM_FIELDS, MAX_JSON_BESIDE_PICTURE
from api.views.lists import MOST_ITEMS
from api.waiting.longpoll import MAX_WAIT_S
from core.config import Settings
from core.images import MIN_SIDE
from core.jobs.lists.labels import MAX_NAME_CHARS
from core.limits import Rate, named_limit, setting_name
from core.models.info import ModelInfo
from core.webhooks.deliveries import MOST_ROUNDS

Per = Literal["request", "job", "answer", "owner", "server", "process", "attempt", "connection"]


class LimitView(BaseModel):
    """One limit; a problem that it causes names its `limit` and `setting`."""

    limit: int | float | None = Field(description="null: there is none")
    unit: str = Field(examples=["bytes"])
    per: Per = Field(description="what it bounds; a process is one of several API processes")
    setting: str | None = Field(None, description="the server's variable; null: fixed", examples=["TAILOR_MAX_STEPS"])
    field: str | None = Field(None, description="the field of a request that it bounds")
    window_s: int | None = Field(None, description="of a rate: the limit is for so many seconds")
    used: int | None = Field(
        None,
        description="of a quota: what you have used; null: nobody knows just now, or there is no limit of stored bytes",
    )


class ModelLimits(BaseModel):
    """The limits of one model, in tokens with the two markers around a prompt."""

    tokens: int = Field(description="of a prompt without a tail, as negative_prompt is one")
    prompt_tokens: int = Field(description="of a prompt before a tail of the default recipe; more vectors leave fewer")
    positions: int = Field(description="most vectors of a tail")


class LimitsView(BaseModel):
    """All limits that hold for you on this server."""

    limits: dict[str, LimitView]
    parameters: dict[str, dict[str, dict[str, int | float]]] = Field(
        description="of both kinds of jobs: the bounds of each numeric parameter, in the words of JSON Schema"
    )
    models: dict[str, ModelLimits]


@dataclass(frozen=True)
class _Row:
    """A limit that is a setting, or fixed (`value`)."""

    name: str
    unit: str
    per: Per
    setting: str | None = None
    value: float | None = None
    field: str | None = None


_ROWS = (
    _Row("picture_bytes", "bytes", "request", "max_picture_bytes", field="picture"),
    _Row("picture_pixels", "pixels", "request", "max_picture_pixels", field="picture"),
    _Row("picture_side", "pixels at least", "request", value=MIN_SIDE, field="picture"),
    _Row("pictures", "pictures", "job", "max_pictures", field="picture"),
    _Row("json_bytes_beside_pictures", "bytes", "request", value=MAX_JSON_BESIDE_PICTURE),
    _Row("form_fields", "fields", "request", value=MAX_FORM_FIELDS),
    _Row("label_body_bytes", "bytes", "request", value=FORM_OVERHEAD),
    _Row("tail_bytes", "bytes", "request", "max_tail_bytes", field="file"),
    _Row("prompt_chars", "characters", "request", "max_prompt_chars", field="prompt"),
    _Row("steps", "steps", "job", "max_steps", field="steps"),
    _Row("num_images", "pictures", "job", "max_num_images", field="num_images"),
    _Row("edits", "jobs", "request", "max_edits", field="edits"),
    _Row("tails", "tails", "job", "max_tails", field="tails"),
    _Row("sweep", "pictures", "job", "max_sweep", field="sweep"),
    _Row("labels", "labels", "job", "max_labels", field="labels"),
    _Row("label_name_chars", "characters", "job", value=MAX_NAME_CHARS, field="labels"),
    _Row("label_chars", "characters", "job", "max_label_chars", field="labels"),
    _Row("idempotency_key_chars", "characters", "request", value=MAX_KEY_CHARS, field="Idempotency-Key"),
    _Row("inline_bytes", "bytes", "answer", "max_inline_bytes", field="inline"),
    _Row("items", "items", "answer", value=MOST_ITEMS, field="limit"),
    _Row("queued_jobs", "jobs of a kind", "server", "max_queued"),
    _Row("open_jobs", "jobs", "owner", "max_open_per_owner"),
    _Row("stored_bytes", "bytes", "owner", "max_bytes_per_owner"),
    _Row("pixels_in_flight", "pixels", "process", "max_pixels_in_flight"),
    _Row("body_bytes_in_flight", "bytes", "process", "max_body_bytes_in_flight"),
    _Row("picture_url_fetches", "pictures", "process", "picture_url_fetches"),
    _Row("picture_url_redirects", "redirects", "request", value=MOST_REDIRECTS, field="picture_url"),
    _Row("picture_url_timeout", "seconds", "request", "picture_url_timeout_s", field="picture_url"),
    _Row("decode_wait", "seconds", "request", "max_decode_wait_s"),
    _Row("connections", "connections", "process", "max_connections"),
    _Row("idle_timeout", "seconds", "connection", "idle_timeout_s"),
    _Row("head_timeout", "seconds", "request", "head_timeout_s"),
    _Row("body_timeout", "seconds", "request", "body_timeout_s"),
    _Row("body_rate", "bytes a second at least", "request", "min_body_rate"),
    _Row("unread_timeout", "seconds", "answer", "unread_timeout_s"),
    _Row("wait", "seconds", "request", value=MAX_WAIT_S, field="Prefer"),
    _Row("deadline", "seconds", "job", "deadline_s"),
    _Row("retention", "seconds", "job", "retention", field="ttl"),
    _Row("url_ttl", "seconds", "answer", "url_ttl_s"),
    _Row("webhook_timeout", "seconds", "attempt", "webhook_timeout_s"),
    _Row("delivery_rounds", "rounds", "job", value=MOST_ROUNDS),
)
_BODIES = {"body_bytes": BodyLimit("max_picture_bytes"), "tail_body_bytes": BodyLimit("max_tail_bytes")}
_BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_SET_ELSEWHERE = {"steps": "max_steps", "num_images": "max_num_images"}  # parameters whose maximum is a setting


def limits_view(settings: Settings, models: list[ModelInfo], *, open_jobs: int, stored: int | None) -> LimitsView:
    """Return all limits, and what the caller has used of the quotas."""
    limits = dict(_limits(settings))
    limits["open_jobs"].used, limits["stored_bytes"].used = open_jobs, stored
    parameters = {
        kind: {name: bounds for name, bounds in _parameters(settings, fields) if bounds}
        for kind, fields in (("personalize", PersonalizeFields), ("edit", EditFields))
    }
    return LimitsView(limits=limits, parameters=parameters, models={info.name: _model(info) for info in models})


def _limits(settings: Settings) -> Iterator[tuple[str, LimitView]]:
    for row in _ROWS:
        named = named_limit(settings, row.setting) if row.setting else {"limit": row.value}
        yield row.name, LimitView(unit=row.unit, per=row.per, field=row.field, **named)
    for name, body in _BODIES.items():
        yield name, LimitView(unit="bytes", per="request", **body.named(settings))
    for policy in ("submissions", "requests"):
        rate: Rate | None = getattr(settings, f"rate_{policy}")
        told: dict[str, Any] = {"limit": rate.quota, "window_s": rate.window_s} if rate else {"limit": None}
        yield f"rate_{policy}", LimitView(unit=policy, per="owner", setting=setting_name(f"rate_{policy}"), **told)


def _parameters(settings: Settings, fields: type[BaseModel]) -> Iterator[tuple[str, dict[str, int | float]]]:
    for name, schema in fields.model_json_schema()["properties"].items():
        bounds = {word: part[word] for part in (schema, *schema.get("anyOf", ())) for word in _BOUNDS if word in part}
        if name in _SET_ELSEWHERE:
            bounds["maximum"] = getattr(settings, _SET_ELSEWHERE[name])
        yield name, bounds


def _model(info: ModelInfo) -> ModelLimits:
    positions = info.recipes[info.default_recipe].personalize.positions
    return ModelLimits(
        tokens=info.sequence_length, prompt_tokens=info.sequence_length - positions, positions=info.sequence_length - 3
    )
