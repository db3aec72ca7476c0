from __future__ import annotations

from typing import Any

import httpx

PREFIX = "urn:tailor:problem:"


def check(answer: httpx.Response, status: int, type_: str, field: str | None = None) -> dict[str, Any]:
    """Check that an answer is this problem and whole; returns its document."""
    document: dict[str, Any] = answer.json()
    assert (answer.status_code, document["status"], document["type"]) == (status, status, PREFIX + type_), document
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert document["instance"] == answer.request.url.path
    assert document["title"]
    assert document["detail"]
    if field is not None:
        assert document["field"] == field
        assert field in document["detail"] or repr(field) in document["detail"]
    return document
