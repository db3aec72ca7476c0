from __future__ import annotations

import json
import re
from typing import Any

import httpx
import pytest

from scripts import openapi

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(openapi.text())
    return document


@pytest.fixture(scope="module")
def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """All operations by method and path."""
    return {
        f"{method} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if method in METHODS
    }


def test_the_document_in_the_repository_is_what_the_routes_say() -> None:
    command = ".venv/bin/python scripts/openapi.py"
    assert openapi.FILE.read_text() == openapi.text(), f"docs/openapi.json is out of date: run `{command}`, commit it"


def test_operations_are_called_as_functions_are_each_once(operations: dict[str, dict[str, Any]]) -> None:
    ids = [operation["operationId"] for operation in operations.values()]

    assert len(set(ids)) == len(ids)
    assert [name for name in ids if not re.fullmatch(r"[a-z]+(_[a-z]+)*", name)] == []


def test_a_server_tells_the_address_at_which_its_calls_lie(api: httpx.Client) -> None:
    for path in ("/openapi.json", "/v1/openapi.json"):
        [server] = api.get(path).json()["servers"]
        assert server["url"] == "/v1"
