from __future__ import annotations

import httpx
import pytest

from tests.api.problems import check

METHODS = {
    "/": "GET, HEAD, OPTIONS",
    "/healthz": "GET, HEAD, OPTIONS",
    "/openapi.json": "GET, HEAD, OPTIONS",
    "/personalize": "POST, OPTIONS",
    f"/jobs/job_{'0' * 24}": "GET, DELETE, OPTIONS",
    "/jobs": "GET, OPTIONS",
    "/tails": "GET, POST, OPTIONS",
    f"/tails/tail_{'0' * 24}": "GET, PATCH, DELETE, OPTIONS",
    "/files/jobs/x.png": "GET, HEAD, OPTIONS",
}


@pytest.mark.parametrize("prefix", ["", "/v1"])
@pytest.mark.parametrize(("path", "allowed"), METHODS.items())
def test_a_refusal_and_options_name_all_methods_of_a_path(
    api: httpx.Client, prefix: str, path: str, allowed: str
) -> None:
    refused, asked = api.put(prefix + path), api.options(prefix + path)
    check(refused, 405, "method-not-allowed")
    assert refused.headers["Allow"] == asked.headers["Allow"] == allowed
    assert (asked.status_code, asked.content) == (204, b"")


def test_options_of_what_is_not_there_is_not_found(api: httpx.Client) -> None:
    check(api.options("/nowhere"), 404, "not-found")
