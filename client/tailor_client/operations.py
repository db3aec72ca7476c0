"""The operations of the interface, each as a call."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel

from tailor_client.answers import Deletion, Delivery, Job, JobKind, JobStatus, Model, Result, Tail
from tailor_client.calls import Call
from tailor_client.pictures import Picture, file_of, form_fields, given, in_json, is_url, several

V = TypeVar("V", bound=BaseModel)
Page = tuple[list[V], str | None]
TailLike = str | Tail | Job
Scaled = TailLike | tuple[TailLike, float | None]


@dataclass(frozen=True)
class Query:
    """What a list is asked for."""

    status: str | Sequence[str] = ()
    labels: Mapping[str, str] | None = None
    page: int | None = None
    kind: JobKind | None = None
    tail_id: str | None = None


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
    return Call("POST", path, _one(Job), params, _keyed(key) | _prefer(wait_s), content)


def import_tail(file: str | os.PathLike[str] | bytes, options: Mapping[str, object], *, key: str | None) -> Call[Tail]:
    """POST /tails."""
    name, data = ("tail.safetensors", file) if isinstance(file, bytes) else (Path(file).name, Path(file).read_bytes())
    content = {"data": form_fields(given(options)), "files": {"file": (name, data)}}
    return Call("POST", "/tails", _one(Tail), headers=_keyed(key), content=content)


def job(job_id: str | Job, *, wait_s: float = 0, inline: bool = False) -> Call[Job]:
    """GET /jobs/{id}; with `wait_s` it is answered when the status changes, at the latest after so many seconds."""
    params = {"inline": "true"} if inline else {}
    return Call("GET", f"/jobs/{id_of_job(job_id)}", _one(Job), params, _prefer(wait_s))


def events(job_id: str, last_id: str | None) -> Call[None]:
    """GET /jobs/{id}/events."""
    headers = {"Last-Event-ID": last_id} if last_id else {}
    return Call("GET", f"/jobs/{job_id}/events", lambda _: None, headers=headers)


def cancel(job_id: str | Job) -> Call[Job]:
    """DELETE /jobs/{id}."""
    return Call("DELETE", f"/jobs/{id_of_job(job_id)}", _one(Job))


def delete_job(job_id: str | Job) -> Call[Deletion]:
    """DELETE /jobs/{id}?purge=true."""
    return Call("DELETE", f"/jobs/{id_of_job(job_id)}", _one(Deletion), {"purge": "true"})


def jobs(query: Query, cursor: str | None) -> Call[Page[Job]]:
    """GET /jobs, a page."""
    return Call("GET", "/jobs", _page(Job), _query(query, cursor))


def tails(query: Query, cursor: str | None) -> Call[Page[Tail]]:
    """GET /tails, a page."""
    return Call("GET", "/tails", _page(Tail), _query(query, cursor))


def tail(tail_id: TailLike) -> Call[Tail]:
    """GET /tails/{id}."""
    return Call("GET", f"/tails/{id_of_tail(tail_id)}", _one(Tail))


def tail_file(tail_id: TailLike) -> Call[bytes]:
    """GET /tails/{id}/file."""
    return Call("GET", f"/tails/{id_of_tail(tail_id)}/file", _content, follow=True)


def label(tail_id: TailLike, labels: Mapping[str, str | None]) -> Call[Tail]:
    """PATCH /tails/{id}."""
    return Call("PATCH", f"/tails/{id_of_tail(tail_id)}", _one(Tail), content={"json": {"labels": dict(labels)}})


def delete_tail(tail_id: TailLike, *, edits: bool) -> Call[Deletion]:
    """DELETE /tails/{id}."""
    params = {"edits": "delete"} if edits else {}
    return Call("DELETE", f"/tails/{id_of_tail(tail_id)}", _one(Deletion), params)


def deliveries(job_id: str | Job) -> Call[list[Delivery]]:
    """GET /jobs/{id}/deliveries."""
    return Call("GET", f"/jobs/{id_of_job(job_id)}/deliveries", lambda answer: _page(Delivery)(answer)[0])


def deliver_again(job_id: str | Job, event: str) -> Call[Delivery]:
    """POST /jobs/{id}/deliveries/{event}."""
    return Call("POST", f"/jobs/{id_of_job(job_id)}/deliveries/{event}", _one(Delivery), once=True)


def webhook_secrets() -> Call[list[str]]:
    """GET /webhooks/secrets."""
    return Call("GET", "/webhooks/secrets", lambda answer: list(answer.json()["secrets"]))


def models() -> Call[list[Model]]:
    """GET /models."""
    return Call("GET", "/models", lambda answer: [Model.model_validate(one) for one in answer.json()])


def count_tokens(model: str, text: str) -> Call[int]:
    """GET /models/{name}/tokens."""
    path = f"/models/{quote(model, safe='')}/tokens"
    return Call("GET", path, lambda answer: int(answer.json()["tokens"]), {"text": text})


def limits() -> Call[dict[str, Any]]:
    """GET /limits."""
    return Call("GET", "/limits", lambda answer: dict(answer.json()))


def metrics() -> Call[str]:
    """GET /metrics."""
    return Call("GET", "/metrics", lambda answer: answer.text)


def readiness() -> Call[dict[str, Any]]:
    """GET /readyz, whatever it says."""
    return Call("GET", "/readyz", _readiness, any_status=True)


def download(what: str | Result | Tail) -> Call[bytes]:
    """Return what a signed URL leads to."""
    url = what if isinstance(what, str) else what.url
    if url is None:
        raise ValueError(f"{what!r} has no file yet")
    return Call("GET", url, _content, signed=True)


def id_of_job(job_id: str | Job) -> str:
    """Return a job's id."""
    return job_id.id if isinstance(job_id, Job) else job_id


def id_of_tail(tail_id: TailLike) -> str:
    """Return a tail's id; of a job that of the tail which it makes or uses."""
    if isinstance(tail_id, Job):
        return tail_id.tail_id
    return tail_id.id if isinstance(tail_id, Tail) else tail_id


def _one(view: type[V]) -> Any:
    return lambda answer: view.model_validate_json(answer.content)


def _page(view: type[V]) -> Any:
    def read(answer: httpx.Response) -> Page[V]:
        said = answer.json()
        return [view.model_validate(item) for item in said["items"]], said.get("next_cursor")

    return read


def _content(answer: httpx.Response) -> bytes:
    return answer.content


def _readiness(answer: httpx.Response) -> dict[str, Any]:
    try:
        said = answer.json()
    except ValueError:
        said = {}
    return (said if isinstance(said, dict) else {}) | {"ready": answer.is_success}


def _prefer(wait_s: float) -> dict[str, str]:
    return {"Prefer": f"wait={max(1, round(wait_s))}"} if wait_s else {}


def _keyed(key: str | None) -> dict[str, str]:
    return {"Idempotency-Key": key or uuid.uuid4().hex}


def _query(query: Query, cursor: str | None) -> dict[str, Any]:
    statuses = [query.status] if isinstance(query.status, str) else query.status
    return given(
        {
            "kind": query.kind,
            "tail_id": query.tail_id,
            "limit": query.page,
            "status": [JobStatus(each).value for each in statuses] or None,
            "label": [f"{name}:{value}" for name, value in (query.labels or {}).items()] or None,
            "cursor": cursor,
        }
    )
