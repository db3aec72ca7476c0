"""Requests over a few kept-alive connections, one after the other or so many a second: as small a client as possible.

It runs in a process of its own (`python -m bench.load.http_load`), prints one JSON line, the same for all targets.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from bench.report import percentile


@dataclass
class Load:
    """What came of it: seconds of each answered request, and statuses other than 2xx."""

    seconds: list[float] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)


def request_bytes(url: str, body: str | None) -> bytes:
    """Return the request: GET, or POST of a JSON body."""
    parts = urlsplit(url)
    head = [f"{'GET' if body is None else 'POST'} {parts.path} HTTP/1.1", f"Host: {parts.netloc}"]
    if body is not None:
        head += ["Content-Type: application/json", f"Content-Length: {len(body.encode())}"]
    return "\r\n".join([*head, "", body or ""]).encode()


@dataclass(frozen=True)
class Pace:
    """When a connection sends: at once after each answer, or each `every_s` from `first` on."""

    first: float
    every_s: float = 0.0

    async def wait(self, number: int) -> float:
        """Wait for a connection's next turn, and return when it was due: who is late by then has waited, too."""
        if not self.every_s:
            return time.perf_counter()
        due = self.first + number * self.every_s
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        return due


async def _connection(url: str, request: bytes, until: float, load: Load, pace: Pace) -> None:
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    number = 0
    while (began := await pace.wait(number)) < until:
        number += 1
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = next(int(line[15:]) for line in head.split("\r\n") if line.startswith("content-length:"))
        await reader.readexactly(length)
        status = int(head.split(" ", 2)[1])
        load.seconds.append(time.perf_counter() - began)
        if not 200 <= status < 300:
            load.refused.append(status)
    writer.close()
    await writer.wait_closed()


async def run(url: str, body: str | None, connections: int, seconds: float, rate: float = 0.0) -> Load:
    """Ask over so many connections for so long; with a `rate` so many times a second, however slow the answers are."""
    load, now = Load(), time.perf_counter()
    request = request_bytes(url, body)
    paces = [Pace(now + n / rate, connections / rate) if rate else Pace(now) for n in range(connections)]
    await asyncio.gather(*(_connection(url, request, now + seconds, load, pace) for pace in paces))
    return load


def main() -> None:
    """Print requests a second, p50 and p99 in seconds, and how many were refused."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--body")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rate", type=float, default=0, help="requests a second; 0: as many as are answered")
    options = parser.parse_args()
    load = asyncio.run(run(options.url, options.body, options.connections, options.seconds, options.rate))
    found = {
        "requests_per_second": len(load.seconds) / options.seconds,
        "p50": percentile(load.seconds, 50),
        "p99": percentile(load.seconds, 99),
        "refused": len(load.refused),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
