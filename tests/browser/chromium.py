from __future__ import annotations

import os
import shutil

SWITCH = "TAILOR_BROWSER"  # the browser's path; without it these tests are not collected
HOW = (
    "apt-get install chromium (Debian), brew install --cask chromium (macOS), or name one: "
    "make test-browser TAILOR_BROWSER=/path/to/it"
)
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find_chromium() -> str | None:
    """Return the path of the browser that was named, or of the first on the PATH."""
    return os.environ.get(SWITCH) or next((path for name in NAMES if (path := shutil.which(name))), None)
