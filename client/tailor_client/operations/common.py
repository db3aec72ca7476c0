"""What calls have in common: the headers and queries that they send, and how their answers are read."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx
from pydantic import BaseModel

from tailor_client.answers import JobKind, JobStatus
from tailor_client.pictures import given

V = TypeVar("V", bound=BaseModel)
Page = tuple[list[V], str | None]


@dataclass(frozen=True)
class Query:
    """What a list is asked for."""

    status: str | Sequence[str] = ()
    labels: Mapping[str, str] | None = None
    page: int | None = None
    kind: JobKind | None = None
    tail_id: str | None = None


def one(view: type[V]) -> Any:
    """Return what reads an answer that is one of these."""
    return lambda answer: view.model_validate_json(answer.content)


def page(view: type[V]) -> Any:
    """Return what reads an answer that is a page of these."""

    def read(answer: httpx.Response) -> Page[V]:
        said = answer.json()
        return [view.model_validate(item) for item in said["items"]], said.get("next_cursor")

    return read


def content(answer: httpx.Response) -> bytes:
    """Return an answer's bytes."""
    return answer.content


def prefer(wait_s: float) -> dict[str, str]:
    """Return the header that asks for an answer which may take so long."""
    return {"Prefer": f"wait={max(1, round(wait_s))}"} if wait_s else {}


def keyed(key: str | None) -> dict[str, str]:
    """Return the header by which a repetition is known; a key is drawn if there is none."""
    return {"Idempotency-Key": key or uuid.uuid4().hex}


def query_params(query: Query, cursor: str | None) -> dict[str, Any]:
    """Return a query as a list's call sends it."""
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
