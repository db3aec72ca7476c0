"""The page at /docs: served by this server alone, whole, and under a policy that lets in nobody else."""

from __future__ import annotations

import hashlib
import re

import httpx
import pytest

from core.config import REPOSITORY

# Of swagger-ui-dist 5.35.0, as npm has it; a new version is put there by scripts/swagger_ui.py.
PINNED = {
    "swagger-ui-bundle.js": "e6a898692f2d768e807c3ba4626068a69a2c5dd960dd6c76f3e4d3a3de180af2",
    "swagger-ui.css": "5ed08757e53da3e026d6cbecc61fe5d43585c9560b302d534ad56692519a273d",
}


@pytest.mark.parametrize("prefix", ["", "/v1"])
def test_the_page_and_all_that_it_loads_come_from_this_server(api: httpx.Client, prefix: str) -> None:
    page = api.get(f"{prefix}/docs")
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert page.headers["Content-Type"].startswith("text/html")
    assert loaded
    for reference in loaded:
        if not reference.startswith("data:"):
            assert not reference.startswith(("http", "/")), reference
            assert api.get(f"{prefix}/{reference}").status_code == 200
    assert "'unsafe" not in page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert not re.search(r"<script>|<style|style=|onload=", page.text)


@pytest.mark.parametrize("name", PINNED)
def test_swagger_ui_is_the_version_that_notice_names(api: httpx.Client, name: str) -> None:
    packed = api.get(f"/docs/{name}")
    plain = api.get(f"/docs/{name}", headers={"Accept-Encoding": "identity"})

    assert hashlib.sha256(plain.content).hexdigest() == PINNED[name]
    assert (packed.content, packed.headers["Content-Encoding"]) == (plain.content, "gzip")
    assert "swagger-ui-dist 5.35.0" in (REPOSITORY / "NOTICE").read_text()
    assert api.get(f"/docs/{name}", headers={"If-None-Match": plain.headers["ETag"]}).status_code == 304


def test_there_is_nothing_else(api: httpx.Client) -> None:
    assert [api.get(f"/docs/{name}").status_code for name in ("index.html", "swagger.py", "..%2fassets.py")] == [
        404
    ] * 3
    assert api.head("/docs").status_code == 200
