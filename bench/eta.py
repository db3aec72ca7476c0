"""How wrong `eta_s` is at half of a job's time: a real worker, the embedded model, jobs as people send them.

`python -m bench.eta` starts `tailor up` in a folder of its own and ends it.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from bench.report import percentile, show, write
from bench.service import served
from bench.waiting.mix import Request, drawn, send
from bench.waiting.observed import Observed
from core.access.keyring import Keyring
from core.access.keys import SCOPES
from core.clock import utc_now
from core.storage import open_storage

GIVE_UP_S = 900.0


@dataclass(frozen=True)
class Row:
    """The jobs of one kind: errors of the estimate at half time, as shares of what was left then."""

    what: str
    jobs: int
    unknown: int
    seconds: float
    error: float
    error_p90: float
    bias: float


def rows_of(jobs: Sequence[Observed], name: Callable[[Observed], str]) -> list[Row]:
    """Return a row for each name."""
    names = sorted({name(job) for job in jobs})
    return [_row(each, [job for job in jobs if name(job) == each]) for each in names]


def _row(what: str, jobs: Sequence[Observed]) -> Row:
    errors = [job.error for job in jobs if job.error is not None]
    sizes = [abs(error) for error in errors] or [float("nan")]
    seconds = statistics.median((job.ended_at or 0) - job.sent_at for job in jobs)
    bias = statistics.median(errors) if errors else float("nan")
    return Row(what, len(jobs), len(jobs) - len(errors), seconds, statistics.median(sizes), percentile(sizes, 90), bias)


def observe(clients: Sequence[httpx.Client], requests: Sequence[Request], tails: Sequence[str]) -> list[Observed]:
    """Send all requests when it is their time, and ask for every job until it has ended."""
    began, waiting = time.monotonic(), list(requests)
    jobs: list[Observed] = []
    while waiting or any(job.ended_at is None for job in jobs):
        now = time.monotonic()
        if now - began > GIVE_UP_S:
            raise SystemExit(f"not all jobs have ended in {GIVE_UP_S:g} s")
        while waiting and waiting[0].at <= now - began:
            jobs += _sent(clients, waiting.pop(0), tails)
        for job in jobs:
            if job.ended_at is None and job.due(time.monotonic()):
                job.note(clients[job.owner].get(f"/jobs/{job.id}").json(), time.monotonic())
        time.sleep(0.005)
    return jobs


def _sent(clients: Sequence[httpx.Client], request: Request, tails: Sequence[str]) -> Iterator[Observed]:
    at = time.monotonic()
    ids = send(clients[request.owner], request, tails[request.owner])
    for index, job_id in enumerate(ids):
        what = {"whole": "personalization"}.get(request.kind, request.kind) if index == 0 else "edit that waits"
        yield Observed(job_id, request.owner, what.replace("personalize", "personalization"), at)


def warm(client: httpx.Client) -> str:
    """Let a worker learn how fast it is; return a tail that is ready."""
    wanted = [Request(0, 0, "personalize", {"prompt": "a standing dog", "steps": 30}), *drawn(6, 1, 0, 0)]
    tail_id = ""
    for request in wanted:
        for job_id in send(client, request, tail_id):
            while not (job := client.get(f"/jobs/{job_id}", headers={"Prefer": "wait=30"}).json())["ended_at"]:
                pass
            tail_id = tail_id or job["tail_id"]
    return tail_id


@contextmanager
def owners(storage: Path, url: str, count: int) -> Iterator[list[httpx.Client]]:
    """Make so many owners with a key each; yields their clients."""
    keyring = Keyring(open_storage(str(storage), secret=b""))
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                httpx.Client(base_url=url, timeout=60, headers={"Authorization": f"Bearer {_key(keyring, n)}"})
            )
            for n in range(count)
        ]


def _key(keyring: Keyring, number: int) -> str:
    return keyring.create(f"owner-{number}", SCOPES, utc_now())[1]


def main() -> None:
    """Print the table and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=100)
    parser.add_argument("--owners", type=int, default=3)
    parser.add_argument("--span", type=float, default=150, help="seconds over which they are sent")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        served(Path(folder)) as (server, _),
        owners(Path(folder) / "storage", server.url, options.owners) as clients,
    ):
        tails = [warm(client) for client in clients]
        jobs = observe(clients, drawn(options.requests, options.owners, options.span, options.seed), tails)
    good = [job for job in jobs if job.status == "succeeded"]
    rows = rows_of(good, lambda job: job.what) + rows_of(
        good, lambda job: f"{job.half.status if job.half else '-'} then"
    )
    rows += rows_of(good, lambda _: "all")
    cells = [
        (r.what, r.jobs, r.unknown, f"{r.seconds:.1f}", f"{r.error:.0%}", f"{r.error_p90:.0%}", f"{r.bias:+.0%}")
        for r in rows
    ]
    columns = ["", "jobs", "without", "seconds, median", "error, median", "p90", "bias"]
    show("eta_s when half of a job's time has passed, against what was left then", columns, cells)
    print(f"{len(jobs) - len(good)} jobs did not succeed")
    write(options.out, "eta", rows)


if __name__ == "__main__":
    main()
