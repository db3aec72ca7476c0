"""Labels: a few short texts by which clients find their jobs and tails again; `name` is a tail's name."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from core.config import Settings
from core.errors import InvalidInputError
from core.limits import named_limit

MAX_NAME_CHARS = 32
_NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{MAX_NAME_CHARS - 1}}}")


def _from_a_form(value: Any) -> Any:
    """Return what a form's text says; JSON has an object there."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise ValueError('is not an object like {"name": "Rex"}') from None


Labels = Annotated[
    dict[str, str],
    BeforeValidator(_from_a_form),
    Field(description="short texts to find it again by; `name` is the tail's name", examples=[{"name": "Rex"}]),
]


def check_labels(settings: Settings, labels: dict[str, str]) -> dict[str, str]:
    """Return the labels if they are few and short; raises InvalidInputError."""
    if len(labels) > settings.max_labels:
        limit = named_limit(settings, "max_labels")
        detail = f"labels: there are {len(labels)}, over the limit of {limit['limit']}"
        raise InvalidInputError("labels", detail, **limit)
    for name, value in labels.items():
        check_label(settings, "labels", name, value)
    return labels


def check_label(settings: Settings, field: str, name: str, value: str) -> tuple[str, str]:
    """Return a label if it may be one; raises InvalidInputError."""
    if not _NAME.fullmatch(name):
        shown = name[:40]
        detail = f"{field}: {shown!r} is no name of 1 to {MAX_NAME_CHARS} letters, digits, '.', '_' and '-'"
        raise InvalidInputError(field, detail, **({"limit": MAX_NAME_CHARS} if len(name) > MAX_NAME_CHARS else {}))
    if not value or not value.isprintable():
        raise InvalidInputError(field, f"{field}: the value of {name} is empty or holds characters that can't be shown")
    if len(value) > settings.max_label_chars:
        limit = named_limit(settings, "max_label_chars")
        detail = f"{field}: the value of {name} has {len(value)} characters, over the limit of {limit['limit']}"
        raise InvalidInputError(field, detail, **limit)
    return name, value
