"""What makes something: a personalization, an edit, a tail that is taken in."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from tailor_client.answers import Job, Tail
from tailor_client.calls import Call
from tailor_client.operations.common import keyed, one, prefer
from tailor_client.operations.tails import TailLike, id_of_tail
from tailor_client.pictures import Picture, file_of, form_fields, given, in_json, is_url, several

Scaled = TailLike | tuple[TailLike, float | None]


def personalize(
    pictures: Picture | Sequence[Picture],
    prompt: str | Sequence[str],
    options: Mapping[str, object],
    *,
    key: str | None,
    wait_s: float,
    inline: bool,
) -> Call[Job]:
    """POST /personalize: pictures that are here go as files, and in JSON where the server is to fetch some."""
    sent = several(pictures)
    fields = {"prompt": prompt if isinstance(prompt, str) else list(prompt)} | given(options)
    content: dict[str, Any]
    if any(is_url(picture) for picture in sent):
        listed = [in_json(picture) for picture in sent]
        content = {"json": fields | {"picture": listed[0] if len(listed) == 1 else listed}}
    else:
        content = {"data": form_fields(fields), "files": [("picture", file_of(picture)) for picture in sent]}
    return _submission("/personalize", content, key, wait_s, inline)


def edit(
    tails: Scaled | Sequence[Scaled],
    prompt: str | None,
    picture: Picture | None,
    options: Mapping[str, object],
    *,
    key: str | None,
    wait_s: float,
    inline: bool,
) -> Call[Job]:
    """POST /edit."""
    fields = given({"prompt": prompt} | dict(options)) | _tails(tails)
    if picture is not None:
        fields |= {"picture_url": picture} if is_url(picture) else {"picture": in_json(picture)}
    return _submission("/edit", {"json": fields}, key, wait_s, inline)


def _tails(tails: Scaled | Sequence[Scaled]) -> dict[str, Any]:
    if isinstance(tails, str | Tail | Job):
        return {"tail_id": id_of_tail(tails)}
    listed = [tails] if _is_scaled(tails) else list(tails)
    return {"tails": [given({"id": id_of_tail(tail), "scale": scale}) for tail, scale in map(_with_scale, listed)]}


def _is_scaled(tails: Any) -> bool:
    """Tell one tail with its scale from two tails."""
    return isinstance(tails, tuple) and len(tails) == 2 and not isinstance(tails[1], str | tuple | BaseModel)


def _with_scale(tail: Any) -> tuple[TailLike, float | None]:
    return tail if isinstance(tail, tuple) else (tail, None)


def _submission(path: str, content: Mapping[str, Any], key: str | None, wait_s: float, inline: bool) -> Call[Job]:
    params = {"inline": "true"} if inline else {}
    return Call("POST", path, one(Job), params, keyed(key) | prefer(wait_s), content)


def import_tail(file: str | os.PathLike[str] | bytes, options: Mapping[str, object], *, key: str | None) -> Call[Tail]:
    """POST /tails."""
    name, data = ("tail.safetensors", file) if isinstance(file, bytes) else (Path(file).name, Path(file).read_bytes())
    content = {"data": form_fields(given(options)), "files": {"file": (name, data)}}
    return Call("POST", "/tails", one(Tail), headers=keyed(key), content=content)
