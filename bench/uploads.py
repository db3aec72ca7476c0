"""What uploads do to an API process: its memory before, during and after them, and how long others wait meanwhile.

`python -m bench.uploads` starts Redis and the API, without a worker, in a folder of their own and ends them.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import sys
import tempfile
import threading
import time
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import numpy as np
import psutil
from PIL import Image

from bench.load.api_alone import served
from bench.load.http_load import request_bytes
from bench.report import show, write
from core.config import REPOSITORY

SETTLE_S = 2.0
BOUNDARY = "a-boundary-of-this-benchmark"


@dataclass(frozen=True)
class Memory:
    """Megabytes of the API process around some uploads, their answers and the seconds until the last one."""

    uploads: str
    before: float
    peak: float
    after: float
    seconds: float
    answers: dict[int, int]


@dataclass(frozen=True)
class Waiting:
    """Milliseconds that others wait for an answer, idle and under load."""

    what: str
    idle_p50: float
    idle_p99: float
    loaded_p50: float
    loaded_p99: float
    answers: int


def flat_png(side: int) -> bytes:
    """Return a large picture in a small file."""
    file = io.BytesIO()
    Image.new("RGB", (side, side), "teal").save(file, "PNG")
    return file.getvalue()


def photo(width: int, height: int) -> bytes:
    """Return a JPEG with shapes and grain."""
    y, x = np.mgrid[0:height, 0:width]
    shapes = 128 + 90 * np.sin(x / 97) * np.cos(y / 61) + np.random.default_rng(0).normal(0, 6, (height, width))
    file = io.BytesIO()
    Image.fromarray(shapes.clip(0, 255).astype(np.uint8)).convert("RGB").save(file, "JPEG", quality=85)
    return file.getvalue()


def upload(url: str, picture: bytes) -> bytes:
    """Return the whole request."""
    parts = [f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="prompt"\r\n\r\na standing dog\r\n']
    parts += [f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="picture"; filename="a"\r\n\r\n']
    body = "".join(parts).encode() + picture + f"\r\n--{BOUNDARY}--\r\n".encode()
    head = f"POST /personalize HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\nConnection: close\r\n"
    head += f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def send(url: str, request: bytes) -> int:
    """Send one request over a connection of its own; return the answer's status, or 0 without one."""
    parts = urlsplit(url)
    try:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        writer.write(request)
        answer = await reader.read()
        writer.close()
    except OSError:
        return 0
    return int(answer.split(b" ", 2)[1]) if answer else 0


@contextmanager
def peak_memory(api: psutil.Process) -> Iterator[Callable[[], float]]:
    """Watch a process for the length of the block; yields what tells the most megabytes seen."""
    seen, over = [api.memory_info().rss], threading.Event()

    def watch() -> None:
        while not over.wait(0.01):
            seen.append(api.memory_info().rss)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield lambda: max(seen) / 1e6
    finally:
        over.set()
        thread.join()


def measure_memory(url: str, api: psutil.Process, name: str, picture: bytes, count: int) -> Memory:
    """Send so many uploads at once."""
    request, before, began = upload(url, picture), api.memory_info().rss / 1e6, time.perf_counter()

    async def together() -> list[int]:
        return await asyncio.gather(*(send(url, request) for _ in range(count)))

    with peak_memory(api) as peak:
        answers = Counter(asyncio.run(together()))
        seconds = time.perf_counter() - began
    time.sleep(SETTLE_S)
    name = f"{count} x {name}, {len(picture) / 1000:.0f} KB"
    return Memory(name, before, peak(), api.memory_info().rss / 1e6, seconds, dict(answers))


async def again_and_again(call: Callable[[], Awaitable[int]], over: asyncio.Event, answers: Counter[int]) -> None:
    """Repeat a request, one at a time, until it is over."""
    while not over.is_set():
        answers[await call()] += 1


async def under_load(url: str, paths: list[str], job: str, *, uploads: int, polls: int, seconds: float) -> list[str]:
    """Let so many uploads and long polls run at once, each again and again, and ask for the paths meanwhile."""
    over, answers = asyncio.Event(), Counter[int]()
    picture = upload(url, photo(640, 480))
    poll = request_bytes(f"{url}/jobs/{job}", None).replace(
        b"\r\n\r\n", b"\r\nConnection: close\r\nPrefer: wait=5\r\n\r\n"
    )
    load = [asyncio.create_task(again_and_again(lambda: send(url, picture), over, answers)) for _ in range(uploads)]
    load += [asyncio.create_task(again_and_again(lambda: send(url, poll), over, answers)) for _ in range(polls)]
    asking = [await ask(f"{url}{path}", seconds) for path in paths]
    found = [(await process.communicate())[0].decode() for process in asking]
    over.set()
    await asyncio.gather(*load)
    print(f"{uploads} uploads and {polls} long polls at a time for {seconds:g} s: answers {dict(answers)}")
    return found


async def ask(url: str, seconds: float) -> Process:
    """Ask over one connection for so long, from a process of its own."""
    command = [sys.executable, "-m", "bench.load.http_load", url, "--connections", "1", "--seconds", str(seconds)]
    return await asyncio.create_subprocess_exec(*command, stdout=PIPE, cwd=REPOSITORY)


def measure_waiting(url: str, *, uploads: int, polls: int, seconds: float) -> list[Waiting]:
    """Return how long probes and polls wait, idle and while uploads and long polls run."""
    answer = httpx.post(f"{url}/personalize", data={"prompt": "a dog"}, files={"picture": photo(640, 480)}, timeout=60)
    job = answer.json()["id"]
    paths = ["/healthz", "/readyz", f"/jobs/{job}"]
    idle = asyncio.run(under_load(url, paths, job, uploads=0, polls=0, seconds=seconds))
    loaded = asyncio.run(under_load(url, paths, job, uploads=uploads, polls=polls, seconds=seconds))
    rows = []
    for path, before, during in zip(["/healthz", "/readyz", "/jobs/{id}"], idle, loaded, strict=True):
        a, b = json.loads(before), json.loads(during)
        times = (1000 * a["p50"], 1000 * a["p99"], 1000 * b["p50"], 1000 * b["p99"])
        rows.append(Waiting(path, *times, round(b["requests_per_second"] * seconds)))
    return rows


def main() -> None:
    """Print both tables and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--uploads", type=int, default=500)
    parser.add_argument("--polls", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as (url, api):
        measure_memory(url, api, "warm", photo(640, 480), 4)
        memory = [
            measure_memory(url, api, "49-megapixel PNG", flat_png(7000), 8),
            measure_memory(url, api, "12-megapixel JPEG", photo(4000, 3000), 60),
            measure_memory(url, api, "0.3-megapixel JPEG", photo(640, 480), options.uploads),
        ]
        cells = [
            (m.uploads, *(f"{v:.0f}" for v in (m.before, m.peak, m.after)), f"{m.seconds:.1f}", m.answers)
            for m in memory
        ]
        columns = ["uploads at once", "MB before", "MB peak", "MB after", "seconds", "answers"]
        show("memory of the API process", columns, cells)
        waiting = measure_waiting(url, uploads=options.uploads, polls=options.polls, seconds=options.seconds)
        time.sleep(SETTLE_S)
        level = api.memory_info().rss / 1e6
    rows = [
        (w.what, *(f"{v:.1f}" for v in (w.idle_p50, w.idle_p99, w.loaded_p50, w.loaded_p99)), w.answers)
        for w in waiting
    ]
    show("others meanwhile", ["asked for", "idle p50, ms", "idle p99, ms", "p50, ms", "p99, ms", "answers"], rows)
    print(f"memory at the end: {level:.0f} MB")
    write(options.out, "uploads", [*memory, *waiting])


if __name__ == "__main__":
    main()
