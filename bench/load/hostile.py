"""Requests that no client in its right mind sends, over real connections: what they get, and what is left of them.

`python -m bench.load.hostile` starts Redis and the API, without a worker, in a folder of their own and ends them.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from bench.load.api_alone import served
from bench.load.hostile_requests import hostile_requests
from bench.report import show, write
from bench.uploads import SETTLE_S, send

AT_ONCE = 16


@dataclass(frozen=True)
class Hostile:
    """What came of many hostile requests."""

    requests: int
    answers: dict[int, int]
    server_errors: int
    died: bool
    before_mb: float
    peak_mb: float
    after_mb: float
    seconds: float


async def attack(url: str, count: int, seed: int) -> Counter[int]:
    """Send them, some at a time."""
    turns, answers = asyncio.Semaphore(AT_ONCE), Counter[int]()

    async def one(request: bytes) -> None:
        async with turns:
            try:
                answers[await asyncio.wait_for(send(url, request), 90)] += 1
            except (ValueError, IndexError):  # an answer that is none
                answers[999] += 1

    await asyncio.gather(*(one(request) for request in hostile_requests(count, seed)))
    return answers


def measure(url: str, api: psutil.Process, count: int, seed: int) -> Hostile:
    """Attack an API that has been used a little; what is refused as overloaded (503) is no server error."""
    asyncio.run(attack(url, 100, seed + 1))  # so that its threads and caches are there
    time.sleep(SETTLE_S)
    before, began, peak = api.memory_info().rss / 1e6, time.perf_counter(), 0.0
    answers = asyncio.run(attack(url, count, seed))
    seconds, peak = time.perf_counter() - began, api.memory_info().rss / 1e6
    time.sleep(SETTLE_S)
    died = not api.is_running() or httpx.get(f"{url}/healthz").status_code != 200
    errors = sum(n for status, n in answers.items() if status >= 500 and status != httpx.codes.SERVICE_UNAVAILABLE)
    after = api.memory_info().rss / 1e6
    return Hostile(count, dict(sorted(answers.items())), errors, died, before, peak, after, seconds)


def main() -> None:
    """Print what came of it and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=1200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as (url, api):
        found = measure(url, api, options.requests, options.seed)
    memory = (f"{megabytes:.0f}" for megabytes in (found.before_mb, found.peak_mb, found.after_mb))
    cells = (found.requests, found.answers, found.server_errors, found.died, *memory, f"{found.seconds:.0f}")
    show("hostile requests", ["sent", "answers", "5xx", "died", "MB before", "MB then", "MB after", "seconds"], [cells])
    write(options.out, "hostile", [found])


if __name__ == "__main__":
    main()
