from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import axe_playwright_python
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from core.config import REPOSITORY

SHOTS = REPOSITORY / "out" / "browser"  # git ignores it
AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
PATIENCE_MS = int(
    os.environ.get("TAILOR_BROWSER_PATIENCE_MS", "150000")
)  # two busy cores; what takes so long has failed
WIDE, PHONE = (1280, 900), (390, 844)
# The shifts of what stands on the page that nobody caused by a key or a click.
WATCH_SHIFTS = """
window.shifts = [];
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput)
    window.shifts.push([entry.value, ...entry.sources.map(({ node }) => node?.className || node?.nodeName)]);
}).observe({ type: "layout-shift", buffered: true });
"""
expect.set_options(timeout=PATIENCE_MS)


@dataclass
class Visitor:
    """Somebody with a browser, who notes what a person would not see."""

    page: Page
    context: BrowserContext
    url: str
    hosts: set[str] = field(default_factory=set)
    errors: list[str] = field(default_factory=list)
    clicks: int = 0

    @classmethod
    def of(cls, browser: Browser, url: str, *, size: tuple[int, int] = WIDE, **options: Any) -> Visitor:
        """Open a fresh session."""
        options = {"locale": "en-US", "color_scheme": "light", "reduced_motion": "reduce"} | options
        context = browser.new_context(viewport={"width": size[0], "height": size[1]}, bypass_csp=False, **options)
        context.add_init_script(WATCH_SHIFTS)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        visitor = cls(page, context, url)
        page.on("request", lambda request: visitor._note(request.url))
        page.on("pageerror", lambda error: visitor.errors.append(str(error)))
        page.on("console", lambda said: visitor._hear(said.type, said.text))
        return visitor

    def open(self, where: str = "") -> None:
        """Go to the page."""
        self.page.goto(f"{self.url}/{where}")
        self.page.locator("main h1").first.wait_for()

    def click(self, what: Locator) -> None:
        """Click, and count it."""
        self.clicks += 1
        what.click()

    def button(self, name: str | re.Pattern[str]) -> Locator:
        """Return the button of that name."""
        return self.page.get_by_role("button", name=name)

    def sample(self, name: str = "dog") -> None:
        """Take a sample picture."""
        self.click(self.button(f"Use the sample: {name}"))
        expect(self.page.get_by_role("application")).to_be_visible()

    def edits(self, status: str = "succeeded") -> Locator:
        """Return the edits that stand so."""
        return self.page.locator(f'.edit[data-status="{status}"]')

    def shoot(self, name: str, *, whole: bool = True) -> Path:
        """Write a picture of the page as it is."""
        SHOTS.mkdir(parents=True, exist_ok=True)
        path = SHOTS / f"{name}.png"
        self.page.screenshot(path=path, full_page=whole, animations="disabled")
        return path

    def check_accessible(self) -> None:
        """Hold the page against axe-core's rules, in light and in dark."""
        for scheme in ("dark", "light"):
            self.page.emulate_media(color_scheme=scheme)
            found = self._axe()
            assert not found, f"{scheme}: {found}"

    def check_unbroken(self) -> None:
        """Hold what happened so far: no other host was asked, nothing broke."""
        assert self.hosts <= {urlsplit(self.url).netloc}
        assert self.errors == []

    def check_quiet(self) -> None:
        """Hold, too, that nothing moved by itself, as when results arrive; what is wrong with a field may make room."""
        self.check_unbroken()
        shifts = self.page.evaluate("window.shifts")
        assert not shifts, "\n".join(map(str, shifts))

    def forget_shifts(self) -> None:
        """Forget what moved: fields that are filled by the driver don't count as filled by a person."""
        self.page.evaluate("window.shifts.length = 0")

    def check_width(self) -> None:
        """Hold that nothing has to be scrolled sideways."""
        assert self.page.evaluate("document.documentElement.scrollWidth <= innerWidth")

    def kept(self) -> dict[str, str]:
        """Return what the browser keeps when it is closed."""
        return dict(self.page.evaluate("({...localStorage})"))

    def _axe(self) -> list[str]:
        # Evaluated by the debugger, which the page's policy does not concern.
        self.page.evaluate(f"() => {{ if (!window.axe) {{ {AXE} }} }}")
        violations = self.page.evaluate("axe.run(document).then((results) => results.violations)")
        return [
            f"{one['id']}: {node['html'][:200]} {node['failureSummary'][:300]}"
            for one in violations
            for node in one["nodes"]
        ]

    def _note(self, url: str) -> None:
        if not url.startswith(("data:", "blob:")):
            self.hosts.add(urlsplit(url).netloc)

    def _hear(self, kind: str, text: str) -> None:
        # What the server refuses is told as an error, too: that is the tests' own doing.
        if kind == "error" and "Failed to load resource" not in text:
            self.errors.append(text)
