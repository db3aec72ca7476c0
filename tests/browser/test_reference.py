"""The page at /docs: every call, to read and to try, from this server alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from core.config import Settings
from core.services import Services
from tests.api.serving import api_server
from tests.browser.visitor import Visitor

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
METHODS = ("get", "post", "patch", "delete")


def test_all_calls_are_listed_and_one_can_be_tried_without_asking_anybody_else(
    settings: Settings, services: Services, visit: Callable[..., Visitor]
) -> None:
    with api_server(settings) as api:
        document = api.get("/openapi.json").json()
        wanted = {
            (method.upper(), path)
            for path, methods in document["paths"].items()
            for method in METHODS
            if method in methods
        }
        visitor = visit(api.base_url)
        page = visitor.page
        page.goto(f"{visitor.url}/docs")
        listed = page.locator(".opblock-summary")
        expect(listed).to_have_count(len(wanted))
        shown = {
            (one.locator(".opblock-summary-method").inner_text(), one.locator("[data-path]").get_attribute("data-path"))
            for one in listed.all()
        }
        assert shown == wanted
        visitor.shoot("40-reference")

        limits = page.locator("#operations-operations-read_limits")
        limits.locator(".opblock-summary-control").click()
        limits.get_by_role("button", name="Try it out").click()
        limits.get_by_role("button", name="Execute").click()
        expect(limits.locator(".live-responses-table .response .response-col_status")).to_have_text("200")
        expect(limits.locator(".live-responses-table")).to_contain_text("picture_pixels")
        visitor.shoot("41-reference-tried", whole=False)
        visitor.check_unbroken()
