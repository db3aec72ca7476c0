"""What the control plane costs: commands to Redis, requests to storage, and how soon an idle worker has a job.

`python -m bench.fleet` starts Redis, storage and workers whose engines only sleep, and ends them. A queued second is
one job that waits for one second; its cost is what the fleet does more than with its slots full and nothing queued.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.fault.stack.servers import RedisServer, S3Store
from bench.fleet_load.backlog import Sent, wait_until
from bench.fleet_load.rig import Cost, Rig
from bench.report import percentile, show, write
from cli.supervisor import Supervisor

SLOTS = 2  # of each kind in each worker
SETTLE_S = 5.0
FILL_S = 180.0
EDIT_S = 0.02
EDITS_END_S = 120.0


@dataclass(frozen=True)
class Row:
    """One fleet under one backlog; rates are per second, `per_edit_*` per job, latencies in seconds."""

    storage: str
    workers: int
    queued: int
    idle_redis: float
    idle_storage: float
    full_redis: float
    full_storage: float
    redis: float
    storage_requests: float
    per_running_redis: float
    per_running_storage: float
    per_queued_redis: float
    per_queued_storage: float
    per_edit_redis: float
    per_edit_storage: float
    edits_ended: int
    seconds_for_edits: float


@dataclass(frozen=True)
class Latency:
    """Seconds from before a job's acceptance to its claim by the one idle worker, all others being full."""

    storage: str
    workers: int
    jobs: int
    p50: float
    p95: float
    most: float


@dataclass(frozen=True)
class Options:
    """What is measured."""

    workers: Sequence[int]
    open_jobs: Sequence[int]
    window_s: float
    edits: int
    claims: int


def measure(rig: Rig, storage: str, workers: int, options: Options) -> list[Row]:
    """Return a row for each backlog, which grows from one to the next."""
    with rig.workers(workers):
        time.sleep(SETTLE_S)
        idle = rig.measure(options.window_s)
        rig.backlog.send("personalize", workers * SLOTS)
        wait_until(lambda: rig.backlog.queued("personalize") == 0, "all slots full", FILL_S)
        time.sleep(SETTLE_S)
        full = rig.measure(options.window_s)
        rows, queued = [], 0
        for wanted in sorted(options.open_jobs):
            rig.backlog.fill(wanted - queued)
            queued = wanted
            time.sleep(SETTLE_S)
            loaded = rig.measure(options.window_s)
            edits, ended = _edits(rig, options.edits, loaded)
            rows.append(_row(storage, workers, queued, (idle, full, loaded, edits), ended))
            print(rows[-1], flush=True)
    return rows


def _edits(rig: Rig, count: int, background: Cost) -> tuple[Cost, int]:
    """Send short edits; return what they cost beyond the background, and how many ended in time."""
    began = rig.mark()
    sent = rig.backlog.send("edit", count, EDIT_S)
    waiting = {each.id for each in sent}

    def all_ended() -> bool:
        waiting.difference_update([job_id for job_id in waiting if rig.backlog.has_ended(job_id)])
        return not waiting

    wait_until(all_ended, f"the end of {count} edits", EDITS_END_S)
    cost = rig.since(began)
    redis, storage = background.rates()
    return Cost(
        cost.redis - round(redis * cost.seconds), cost.storage - round(storage * cost.seconds), cost.seconds
    ), count - len(waiting)


def _row(storage: str, workers: int, queued: int, costs: tuple[Cost, Cost, Cost, Cost], ended: int) -> Row:
    idle, full, loaded, edits = costs
    (idle_redis, idle_storage), (full_redis, full_storage) = idle.rates(), full.rates()
    redis, requests = loaded.rates()
    running = workers * SLOTS
    return Row(
        storage=storage,
        workers=workers,
        queued=queued,
        idle_redis=idle_redis,
        idle_storage=idle_storage,
        full_redis=full_redis,
        full_storage=full_storage,
        redis=redis,
        storage_requests=requests,
        per_running_redis=(full_redis - idle_redis) / running,
        per_running_storage=(full_storage - idle_storage) / running,
        per_queued_redis=(redis - full_redis) / queued,
        per_queued_storage=(requests - full_storage) / queued,
        per_edit_redis=edits.redis / max(1, ended),
        per_edit_storage=edits.storage / max(1, ended),
        edits_ended=ended,
        seconds_for_edits=edits.seconds,
    )


def claim_latency(rig: Rig, storage: str, workers: int, options: Options) -> Latency:
    """Return how soon an idle worker claims an edit while the edit slots of all others are full."""
    with rig.workers(workers - 1):
        rig.backlog.send("edit", (workers - 1) * SLOTS)
        wait_until(lambda: rig.backlog.queued("edit") == 0, "all edit slots full", FILL_S)
        with rig.workers(1, first=workers - 1):
            time.sleep(SETTLE_S)
            seconds = [_claimed(rig, rig.backlog.send_one("edit", EDIT_S)) for _ in range(options.claims)]
    return Latency(storage, workers, len(seconds), percentile(seconds, 50), percentile(seconds, 95), max(seconds))


def _claimed(rig: Rig, sent: Sent) -> float:
    wait_until(lambda: rig.backlog.has_ended(sent.id), f"the end of {sent.id}", EDITS_END_S)
    return rig.backlog.claimed_after(sent)


@contextmanager
def servers(data: Path, storage: str) -> Iterator[tuple[RedisServer, S3Store | None]]:
    """Run Redis, and S3 if that is the storage, for as long as the block."""
    redis = RedisServer(data / "redis")
    store = S3Store(data / "s3") if storage == "s3" else None
    logs = data / "logs"
    logs.mkdir()
    supervisor = Supervisor([redis.service(logs), *([store.service(logs)] if store else [])], print)
    try:
        supervisor.start()
        yield redis, store
    finally:
        supervisor.stop()
        redis.remove()
        if store:
            store.remove()


def show_all(rows: Sequence[Row], latencies: Sequence[Latency]) -> None:
    """Print both tables."""
    columns = [
        "storage",
        "workers",
        "queued",
        "idle",
        "full",
        "with the backlog",
        "a running s",
        "a queued s",
        "an edit",
    ]
    cells = [
        (
            r.storage, r.workers, r.queued,
            f"{r.idle_redis:.1f} + {r.idle_storage:.1f}", f"{r.full_redis:.1f} + {r.full_storage:.1f}",
            f"{r.redis:.1f} + {r.storage_requests:.1f}", f"{r.per_running_redis:.2f} + {r.per_running_storage:.2f}",
            f"{r.per_queued_redis:.4f} + {r.per_queued_storage:.4f}",
            f"{r.per_edit_redis:.0f} + {r.per_edit_storage:.1f}" + ("" if r.edits_ended else " (none ended)"),
        )
        for r in rows
    ]  # fmt: skip
    show("commands to Redis + requests to storage, a second", columns, cells)
    columns = ["storage", "workers", "jobs", "p50, ms", "p95, ms", "most, ms"]
    milliseconds = [
        (each.storage, each.workers, each.jobs, *(f"{1000 * s:.0f}" for s in (each.p50, each.p95, each.most)))
        for each in latencies
    ]
    show("from submission to claim by the one idle worker", columns, milliseconds)


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="+", default=[2, 10, 100])
    parser.add_argument("--open", type=int, nargs="+", default=[100, 1000, 10_000], help="queued jobs")
    parser.add_argument("--large", action="store_true", help="100,000 queued jobs, too")
    parser.add_argument("--storage", nargs="+", choices=("folder", "s3"), default=["folder", "s3"])
    parser.add_argument("--window", type=float, default=20.0, help="seconds over which rates are measured")
    parser.add_argument("--edits", type=int, default=200, help="short edits, for the cost of a job")
    parser.add_argument("--claims", type=int, default=20, help="edits sent to the one idle worker")
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    return parser.parse_args()


def main() -> None:
    """Print the tables and write JSON."""
    given = _parsed()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit("interrupted"))
    jobs = [*given.open, *([100_000] if given.large else [])]
    options = Options(given.workers, jobs, given.window, given.edits, given.claims)
    rows: list[Row] = []
    latencies: list[Latency] = []
    for storage in given.storage:
        with tempfile.TemporaryDirectory(prefix="tailor-fleet-") as folder:
            data = Path(folder)
            with servers(data, storage) as (redis, store):
                for count in options.workers:
                    rig = Rig(data / f"claims-{count}", redis, store, SLOTS)
                    latencies.append(claim_latency(rig, storage, count, options))
                    print(latencies[-1], flush=True)
                    rig = Rig(data / f"costs-{count}", redis, store, SLOTS)
                    rows += measure(rig, storage, count, options)
                    write(given.out, "fleet", rows)  # again and again: the largest fleets may not come to their ends
                    write(given.out, "fleet-claims", latencies)
    show_all(rows, latencies)


if __name__ == "__main__":
    main()
