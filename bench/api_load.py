"""What the API takes with a busy worker, against a bare FastAPI endpoint that reads one hash from the same Redis.

`python -m bench.api_load` starts `tailor up` and the bare endpoint and asks both in turns, from another process. Then
it polls a job so many times a second, by turns with the worker at work and with the worker stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
from redis import Redis

from bench.report import Spread, new_figure, require_plots, save_figure, show, write
from bench.service import load, served, wait_for, wait_for_running
from cli.up import claim_port, read_server_file

BARE = "bare FastAPI, one Redis read"
POLL_S = 5.0


@dataclass(frozen=True)
class Target:
    """What is asked for: a GET, or a POST of a JSON body."""

    name: str
    url: str
    body: str | None = None


@dataclass(frozen=True)
class Row:
    """One target under load; times in milliseconds."""

    target: str
    per_second: Spread
    p50: Spread
    p99: Spread
    share_of_bare: Spread
    refused: int


@dataclass(frozen=True)
class Polls:
    """A job that is polled at one rate, with the worker at work or stopped; times in milliseconds."""

    worker: str
    rate: float
    p50: Spread
    p99: Spread
    times_idle: Spread


@contextmanager
def bare_endpoint(redis_url: str) -> Iterator[str]:
    """Run the bare endpoint for as long as the block; yields the URL of what it reads."""
    Redis.from_url(redis_url).hset("bench:job", mapping={"id": "job", "status": "running", "step": "12"})
    port = claim_port("127.0.0.1", 0)
    command = [sys.executable, "-m", "uvicorn", "bench.load.bare_api:app", "--port", str(port), "--no-access-log"]
    process = subprocess.Popen(  # noqa: S603 - our own module
        command, env=os.environ | {"TAILOR_REDIS_URL": redis_url}, stderr=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}/one/job"
    try:
        wait_for(lambda: _answers(url))
        yield url
    finally:
        process.terminate()
        process.wait()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).is_success
    except httpx.TransportError:
        return False


def ask(target: Target, connections: int, seconds: float, rate: float = 0.0) -> dict[str, float]:
    """Put one target under load from another process, and return what that one printed."""
    command = [sys.executable, "-m", "bench.load.http_load", target.url, "--connections", str(connections)]
    command += [
        "--seconds",
        str(seconds),
        "--rate",
        str(rate),
        *(["--body", target.body] if target.body is not None else []),
    ]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603 - our own module
    found: dict[str, float] = json.loads(printed)
    return found


def measure(targets: Sequence[Target], connections: int, seconds: float, repeats: int) -> list[Row]:
    """Ask all targets in turns, the bare one first, and return a row for each."""
    seen: dict[str, list[dict[str, float]]] = {target.name: [] for target in targets}
    for _ in range(repeats):
        for target in targets:
            seen[target.name].append(ask(target, connections, seconds))
    bare = [found["requests_per_second"] for found in seen[BARE]]
    rows = []
    for name, found in seen.items():
        rate = [one["requests_per_second"] for one in found]
        rows.append(
            Row(
                name,
                Spread.of(rate),
                Spread.of([1000 * one["p50"] for one in found]),
                Spread.of([1000 * one["p99"] for one in found]),
                Spread.of([mine / bar for mine, bar in zip(rate, bare, strict=True)]),
                int(sum(one["refused"] for one in found)),
            )
        )
    return rows


def poll(target: Target, worker: psutil.Process, rate: float, connections: int, repeats: int) -> list[Polls]:
    """Poll at a rate with the worker stopped and at work, by turns; a lease is longer than it stands still."""
    seen: dict[str, list[dict[str, float]]] = {"stopped": [], "at work": []}
    for _ in range(repeats):
        worker.suspend()
        try:
            seen["stopped"].append(ask(target, connections, POLL_S, rate))
        finally:
            worker.resume()
        seen["at work"].append(ask(target, connections, POLL_S, rate))
    idle = [found["p99"] for found in seen["stopped"]]
    return [
        Polls(
            name,
            rate,
            Spread.of([1000 * one["p50"] for one in found]),
            Spread.of([1000 * one["p99"] for one in found]),
            Spread.of([one["p99"] / bar for one, bar in zip(found, idle, strict=True)]),
        )
        for name, found in seen.items()
    ]


def plot(rows: Sequence[Row], path: Path) -> None:
    """Draw requests a second, and how long they took."""
    figure, [rates, times] = new_figure(2, 9, 3.5)
    names = [row.target.replace(", ", ",\n") for row in rows]
    rates.bar(names, [row.per_second.median for row in rows])
    rates.set(ylabel="requests a second")
    times.bar(names, [row.p99.median for row in rows], color="lightgray", label="p99")
    times.bar(names, [row.p50.median for row in rows], label="p50")
    times.set(ylabel="milliseconds")
    times.legend(fontsize=7)
    save_figure(figure, path)


def main() -> None:
    """Print the table and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--rate", type=float, default=200, help="polls a second")
    parser.add_argument("--busy", type=int, default=8, help="personalizations that run meanwhile")
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    options = parser.parse_args()
    require_plots()
    os.environ["TAILOR_MAX_QUEUED"] = "1000000"
    with (
        tempfile.TemporaryDirectory() as folder,
        served(Path(folder)) as (client, worker),
        load(client, options.busy) as jobs,
    ):
        wait_for_running(client, jobs, options.busy)
        server = read_server_file(Path(folder)) or {}
        edit = json.dumps({"tail_id": client.job(jobs[0]).tail_id, "prompt": "a sitting dog"})  # waits for its tail
        with bare_endpoint(str(server["redis_url"])) as bare:
            targets = [
                Target(BARE, bare),
                Target("GET /jobs/{id}", f"{client.url}/jobs/{jobs[0]}"),
                Target("POST /edit", f"{client.url}/edit", edit),
            ]
            rows = measure(targets, options.connections, options.seconds, options.repeats)
            polls = poll(targets[1], worker, options.rate, options.connections, options.repeats)
    cells = [(r.target, r.per_second, r.p50, r.p99, r.share_of_bare, r.refused) for r in rows]
    show("the API with a busy worker", ["target", "requests/s", "p50, ms", "p99, ms", "/ bare", "refused"], cells)
    show(
        f"GET /jobs/{{id}}, {options.rate:g} a second",
        ["worker", "p50, ms", "p99, ms", "p99 / stopped"],
        [(each.worker, each.p50, each.p99, each.times_idle) for each in polls],
    )
    write(options.out, "api", rows)
    write(options.out, "polls", polls)
    plot(rows, options.out / "api.png")


if __name__ == "__main__":
    main()
