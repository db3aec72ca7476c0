"""Files: what a tail is, and what signed URLs lead to."""

from __future__ import annotations

from tailor_client.answers import Result, Tail
from tailor_client.calls import Call
from tailor_client.operations.common import content
from tailor_client.operations.tails import TailLike, id_of_tail


def tail_file(tail_id: TailLike) -> Call[bytes]:
    """GET /tails/{id}/file."""
    return Call("GET", f"/tails/{id_of_tail(tail_id)}/file", content, follow=True)


def download(what: str | Result | Tail) -> Call[bytes]:
    """Return what a signed URL leads to."""
    url = what if isinstance(what, str) else what.url
    if url is None:
        raise ValueError(f"{what!r} has no file yet")
    return Call("GET", url, content, signed=True)
