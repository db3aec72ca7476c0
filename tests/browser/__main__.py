"""`make test-browser`: the playground in Chromium, at running servers; says how to get that where it is missing."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys

from tests.browser.chromium import HOW, SWITCH, find_chromium

IN_PARALLEL = ["-n", "2", "--dist", "loadfile"]  # two thirds of the time of one after the other


def main() -> int:
    """Run the tests; exit code 3 when there is no browser."""
    parser = argparse.ArgumentParser(prog="make test-browser", description=__doc__)
    parser.add_argument(
        "--if-possible", action="store_true", help="get Chromium by apt if that works, else say so and end well"
    )
    parser.add_argument(
        "--for-readme", action="store_true", help="only make the pictures in docs/ that the README shows"
    )
    asked, more = parser.parse_known_args()
    chromium = find_chromium() or (_installed() if asked.if_possible else None)
    if chromium is None:
        print(f"no Chromium: {HOW}", flush=True)  # noqa: T201 - a program of its own
        return 0 if asked.if_possible else 3
    chosen = (
        ["tests/browser/test_whole_way.py", "-k", "readme"] if asked.for_readme else [*IN_PARALLEL, "tests/browser"]
    )
    environment = os.environ | {SWITCH: chromium} | ({"TAILOR_README_PICTURES": "1"} if asked.for_readme else {})
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *chosen, *more], env=environment, check=False
    ).returncode


def _installed() -> str | None:
    """Try Debian's package; returns where the browser is then."""
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        return None
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "update"],
        ["apt-get", "install", "-y", "--no-install-recommends", "chromium", "fonts-liberation"],
    ):
        if subprocess.run(command, env=environment, capture_output=True, check=False).returncode:
            return None
    return find_chromium()


if __name__ == "__main__":
    sys.exit(main())
