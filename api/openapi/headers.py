"""The headers of answers that clients go by."""

from __future__ import annotations

from typing import Any

_TEXT = {"type": "string"}
HEADERS: dict[str, dict[str, Any]] = {
    "Allow": {"description": "all methods of the path", "schema": _TEXT},
    "Connection": {"description": "`close`: what may still come belongs to no request", "schema": _TEXT},
    "Idempotency-Replayed": {"description": "`true`: it was made by an earlier request", "schema": _TEXT},
    "Location": {"description": "the path of what was made", "schema": _TEXT},
    "Preference-Applied": {"description": "for how long the answer could wait", "schema": _TEXT},
    "RateLimit": {
        "description": "what is left of the rate, and in how many seconds all of it is back",
        "schema": _TEXT,
    },
    "RateLimit-Policy": {"description": "how many requests in how many seconds", "schema": _TEXT},
    "Retry-After": {"description": "seconds after which to ask again", "schema": {"type": "integer", "minimum": 0}},
    "WWW-Authenticate": {"description": "how to send a key (RFC 6750)", "schema": _TEXT},
    "X-Request-Id": {"description": "under which the log has the request", "schema": _TEXT},
}


def headers(*names: str) -> dict[str, Any]:
    """Return what FastAPI takes as a response's `headers`."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
