from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.browser.chromium import SWITCH

if SWITCH not in os.environ:  # make test-browser says which browser
    collect_ignore_glob = ["test_*.py"]
else:
    from playwright.sync_api import Browser, sync_playwright

    from core.config import Settings
    from core.services import Services, open_services
    from tests.api.serving import PretendingWorker, publish, serving_settings, working_at
    from tests.browser.visitor import Visitor
    from tests.support.redis_server import redis_server
    from tests.support.stack import RunningStack, running_stack

    @pytest.fixture(scope="session")
    def browser() -> Iterator[Browser]:
        with sync_playwright() as playwright:
            # Containers and root have no user namespaces, which Chromium's sandbox is made of.
            browser = playwright.chromium.launch(executable_path=os.environ[SWITCH], args=["--no-sandbox"])
            yield browser
            browser.close()

    @pytest.fixture(scope="session")
    def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
        """All of Tailor, with the embedded model."""
        with running_stack(tmp_path_factory.mktemp("stack") / "data") as running:
            yield running

    @pytest.fixture
    def visitor(browser: Browser, stack: RunningStack) -> Iterator[Visitor]:
        """Somebody who visits the running stack."""
        visitor = Visitor.of(browser, str(stack.client.base_url).rstrip("/"))
        yield visitor
        visitor.context.close()

    @pytest.fixture
    def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
        """A storage and a Redis of this test's own."""
        with redis_server() as redis:
            yield serving_settings(tmp_path_factory.mktemp("storage"), redis.url)

    @pytest.fixture
    def services(settings: Settings) -> Services:
        services = open_services(settings)
        publish(services)
        return services

    @pytest.fixture
    def worker(services: Services) -> PretendingWorker:
        """A worker that is there but does nothing by itself."""
        services.live.workers.beat("pretender", {"models": {"critters": "c0ffee"}}, ttl_s=600)
        return PretendingWorker(services)

    @pytest.fixture
    def working(services: Services, worker: PretendingWorker) -> Iterator[None]:
        """Let that worker end everything that comes with success."""
        with working_at(services, worker):
            yield

    @pytest.fixture
    def visit(browser: Browser) -> Iterator[Callable[..., Visitor]]:
        """Return what opens a session at a server; all are closed in the end."""
        opened: list[Visitor] = []

        def visit(url: Any, **options: Any) -> Visitor:
            opened.append(Visitor.of(browser, str(url).rstrip("/"), **options))
            return opened[-1]

        yield visit
        for visitor in opened:
            visitor.context.close()
