"""The server: its models, its limits, how it is."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import httpx

from tailor_client.answers import Model
from tailor_client.calls import Call


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


def _readiness(answer: httpx.Response) -> dict[str, Any]:
    try:
        said = answer.json()
    except ValueError:
        said = {}
    return (said if isinstance(said, dict) else {}) | {"ready": answer.is_success}
