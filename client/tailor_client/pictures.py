"""Pictures as callers have them, and fields and files as they are sent."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Picture = str | os.PathLike[str] | bytes
"""A path, the bytes of a JPEG, PNG or WebP, or a URL that the server fetches."""


def several(pictures: Picture | Sequence[Picture]) -> list[Picture]:
    """Return one picture or more as a list."""
    return [pictures] if isinstance(pictures, str | bytes | os.PathLike) else list(pictures)


def is_url(picture: Picture) -> bool:
    """Tell whether the server is to fetch a picture."""
    return isinstance(picture, str) and picture.lower().startswith(("http://", "https://"))


def file_of(picture: Picture) -> tuple[str, bytes]:
    """Return the name and the bytes of a picture that is here. Raises OSError."""
    if isinstance(picture, bytes):
        return "picture", picture
    path = Path(picture)
    return path.name, path.read_bytes()


def in_json(picture: Picture) -> Any:
    """Return what stands for a picture in JSON: its URL, or the picture as a data URI."""
    if is_url(picture):
        return {"url": picture}
    _, data = file_of(picture)
    return f"data:{_type(data)};base64,{base64.b64encode(data).decode()}"


def _type(data: bytes) -> str:
    if data.startswith(b"\x89PNG"):
        return "image/png"
    return "image/webp" if data[8:12] == b"WEBP" else "image/jpeg"


def given(options: Mapping[str, object]) -> dict[str, Any]:
    """Return the options that are not left to the server."""
    return {name: value for name, value in options.items() if value is not None}


def form_fields(fields: Mapping[str, Any]) -> dict[str, str | list[str]]:
    """Return fields as a form has them: texts, several of a name for a list, JSON for objects."""
    form: dict[str, str | list[str]] = {}
    for name, value in fields.items():
        if name == "webhook" and isinstance(value, Mapping):
            form[name] = value["url"]
            form |= {"webhook_events": ",".join(value["events"])} if value.get("events") else {}
        else:
            form[name] = [_text(one) for one in value] if isinstance(value, list) else _text(value)
    return form


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
