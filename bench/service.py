"""A loaded server over HTTP: how long an edit takes while personalizations run, and what the worker's time goes into.

`python -m bench.service` starts `tailor up` in a folder of its own and ends it.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from prometheus_client.parser import text_string_to_metric_families

from bench.report import Spread, new_figure, percentile, require_plots, save_figure, show, write
from cli.demo import SOURCE_PROMPT
from cli.parts import demo_picture
from cli.up import Stack, UpOptions, locked
from tailor_client import Job, Tailor
from tailor_client.answers import JobStatus

READY_S = 180
PERSONALIZE_STEPS = 5000  # the most that a server takes: those that load the worker must not end by themselves


@dataclass(frozen=True)
class Latency:
    """Seconds from sending an edit until its end is known, at one load."""

    running: int
    queued: int
    edit: Spread
    p95: float
    times_idle: float
    model_share: float | None  # of the worker's wall time that was spent in model calls, with this load
    worker_megabytes: float
    megabytes_per_job: float | None  # more than the idle worker had, for each running personalization


@contextmanager
def served(data: Path) -> Iterator[tuple[Tailor, psutil.Process]]:
    """Run a server for as long as the block; yields a client and the worker's process."""
    with locked(data, print) as lock:
        stack = Stack(UpOptions(data, port=0), lock, print, lambda _name, _line: None)
        stack.start()
        try:
            threading.Thread(target=stack.supervisor.run, daemon=True).start()
            if not stack.wait_until_ready(time.monotonic() + READY_S):
                raise SystemExit(f"the server was not ready in {READY_S} s")
            with Tailor(stack.url) as client:
                yield client, psutil.Process(stack.supervisor.pids["worker-1"])
        finally:
            stack.stop()


def ended(client: Tailor, job: Job) -> Job:
    """Wait for a job's end; SystemExit when it did not succeed."""
    while not (job := client.job(job.id, wait_s=30)).status.ended:
        pass
    if job.status is not JobStatus.SUCCEEDED:
        raise SystemExit(job.failure)
    return job


def edit_seconds(client: Tailor, tail_id: str, count: int) -> list[float]:
    """Send so many edits one after the other; return how long each took."""
    times = []
    for seed in range(count):
        began = time.perf_counter()
        ended(client, client.edit(tail_id, "a sitting dog on the beach", seed=seed))
        times.append(time.perf_counter() - began)
    return times


def model_seconds(client: Tailor) -> float:
    """Return the seconds that the workers have spent in model calls so far."""
    found = 0.0
    for family in text_string_to_metric_families(client.metrics()):
        for sample in family.samples:
            if sample.name == "tailor_engine_call_seconds_total" and sample.labels["request"] != "AdamStep":
                found += sample.value
    return found


def wait_for(happened: Callable[[], bool]) -> None:
    """Ask until it has happened; the workers are other processes."""
    while not happened():
        time.sleep(0.2)


def wait_for_running(client: Tailor, jobs: Sequence[str], count: int) -> None:
    """Wait until so many of the jobs run."""
    wait_for(lambda: sum(client.job(job).status is JobStatus.RUNNING for job in jobs) >= count)


@contextmanager
def load(client: Tailor, count: int) -> Iterator[list[str]]:
    """Let so many personalizations run or wait for as long as the block; yields their ids."""
    jobs = [client.personalize(demo_picture(), SOURCE_PROMPT, steps=PERSONALIZE_STEPS, seed=n).id for n in range(count)]
    try:
        yield jobs
    finally:
        for job in jobs:
            client.cancel(job)
        wait_for(lambda: all(client.job(job).status.ended for job in jobs))


def measure(
    client: Tailor, worker: psutil.Process, tail_id: str, *, loads: Sequence[int], slots: int, edits: int
) -> list[Latency]:
    """Return the latency of edits at each load; the idle one is measured first and last."""
    idle = edit_seconds(client, tail_id, edits)
    found = []
    for count in loads:
        with load(client, count) as jobs:
            wait_for_running(client, jobs, min(count, slots))
            share = model_share(client) if count else None
            times = edit_seconds(client, tail_id, edits)
            memory = worker.memory_info().rss / 1e6
        idle += edit_seconds(client, tail_id, max(1, edits // 2))
        found.append((count, times, share, memory))
    usual, base = Spread.of(idle).median, next((memory for count, _, _, memory in found if not count), None)
    return [
        Latency(
            min(count, slots), max(0, count - slots), spread := Spread.of(times), percentile(times, 95),
            spread.median / usual, share, memory,
            (memory - base) / min(count, slots) if count and base is not None else None,
        )
        for count, times, share, memory in found
    ]  # fmt: skip


def model_share(client: Tailor, seconds: float = 30) -> float:
    """Return the share of the wall time that the worker spends in model calls, over about so many seconds.

    Both ends are moments at which the worker has just told its figures.
    """
    first, began = _next_figure(client)
    time.sleep(seconds)
    last, end = _next_figure(client)
    return (last - first) / (end - began)


def _next_figure(client: Tailor) -> tuple[float, float]:
    before = model_seconds(client)
    while (now := model_seconds(client)) == before:
        time.sleep(0.02)
    return now, time.perf_counter()


def plot(rows: Sequence[Latency], path: Path) -> None:
    """Draw the median, the range and p95 of an edit at each load."""
    figure, [axis] = new_figure(1, 6, 3.5)
    labels = [f"{row.running} run,\n{row.queued} wait" for row in rows]
    medians = [row.edit.median for row in rows]
    below = [row.edit.median - row.edit.least for row in rows]
    above = [row.edit.most - row.edit.median for row in rows]
    axis.bar(labels, medians, yerr=[below, above], capsize=4, label="median, least and most")
    axis.plot(labels, [row.p95 for row in rows], "x", color="black", label="p95")
    axis.set(ylabel="an edit, seconds", title="personalizations meanwhile")
    axis.legend(fontsize=7)
    save_figure(figure, path)


def main() -> None:
    """Print the table and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--loads", type=int, nargs="+", default=[0, 1, 2, 4, 8, 48])
    parser.add_argument("--edits", type=int, default=10)
    parser.add_argument("--slots", type=int, default=8, help="TAILOR_PERSONALIZE_SLOTS")
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    options = parser.parse_args()
    require_plots()
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as (client, worker):
        tail_id = ended(client, client.personalize(demo_picture(), SOURCE_PROMPT, steps=20, seed=1)).tail_id
        edit_seconds(client, tail_id, 2)  # warm
        rows = measure(client, worker, tail_id, loads=options.loads, slots=options.slots, edits=options.edits)
    cells = [
        (
            r.running, r.queued, r.edit, f"{r.p95:.2f}", f"{r.times_idle:.2f}",
            "" if r.model_share is None else f"{r.model_share:.1%}", f"{r.worker_megabytes:.0f}",
            "" if r.megabytes_per_job is None else f"{r.megabytes_per_job:.1f}",
        )
        for r in rows
    ]  # fmt: skip
    columns = ["running", "queued", "an edit, s", "p95, s", "x idle", "in model calls", "worker, MB", "MB a job"]
    show("an edit that arrives while personalizations run", columns, cells)
    write(options.out, "service", rows)
    plot(rows, options.out / "service.png")


if __name__ == "__main__":
    main()
