"""Tails: reading, listing, labeling, deleting them."""

from __future__ import annotations

from collections.abc import Mapping

from tailor_client.answers import Deletion, Job, Tail
from tailor_client.calls import Call
from tailor_client.operations.common import Page, Query, one, page, query_params

TailLike = str | Tail | Job


def tail(tail_id: TailLike) -> Call[Tail]:
    """GET /tails/{id}."""
    return Call("GET", f"/tails/{id_of_tail(tail_id)}", one(Tail))


def tails(query: Query, cursor: str | None) -> Call[Page[Tail]]:
    """GET /tails, a page."""
    return Call("GET", "/tails", page(Tail), query_params(query, cursor))


def label(tail_id: TailLike, labels: Mapping[str, str | None]) -> Call[Tail]:
    """PATCH /tails/{id}."""
    return Call("PATCH", f"/tails/{id_of_tail(tail_id)}", one(Tail), content={"json": {"labels": dict(labels)}})


def delete_tail(tail_id: TailLike, *, edits: bool) -> Call[Deletion]:
    """DELETE /tails/{id}."""
    params = {"edits": "delete"} if edits else {}
    return Call("DELETE", f"/tails/{id_of_tail(tail_id)}", one(Deletion), params)


def id_of_tail(tail_id: TailLike) -> str:
    """Return a tail's id; of a job that of the tail which it makes or uses."""
    if isinstance(tail_id, Job):
        return tail_id.tail_id
    return tail_id.id if isinstance(tail_id, Tail) else tail_id
