"""Breaks a small fleet again and again while jobs run, and counts what was lost, doubled or leaked, and recovery.

`python -m bench.faults --faults 200 --jobs 300 --seed 1` starts Redis, an S3 server, two workers and two APIs by
itself, and ends them. It does so in parts, each with a seed and figures of its own under `--out`; a run that was cut
off goes on with the part that it was in. It exits with 1 when anything was lost, doubled, leaked or failed for no fault
of its own.
"""

from __future__ import annotations

import argparse
import math
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from bench.fault.campaign import DifferentPartsError, Document, add_up, counts, go_on, parts_in
from bench.fault.client.http import Apis
from bench.fault.client.ledger import Ledger
from bench.fault.client.traffic import Traffic
from bench.fault.kinds import OF_S3, Kind, plan, possible
from bench.fault.stack import clock
from bench.fault.stack.disk import SmallDisk, small_disk
from bench.fault.stack.fleet import WORKERS, Fleet
from bench.fault.stack.servers import FolderStore, S3Store
from bench.fault.strikes import Strike, Striker
from bench.fault.verdict.audit import Findings, audit
from bench.fault.verdict.recovery import History, killer_cases
from bench.fault.verdict.tables import details, rows, show_all
from bench.report import machine

READY_S = 120.0
ENDS_S = 300.0  # how long after the last fault everything must have ended


@dataclass(frozen=True)
class Options:
    """What a run is told."""

    faults: int = 200
    jobs: int = 300
    seed: int = 0
    storage: str = "s3"
    quick: bool = False
    minutes: float = 75.0
    clients: int = 8
    steps: tuple[int, int] = (20, 60)
    only: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What came of a run."""

    strikes: list[Strike]
    accepted: int
    findings: Findings
    document: dict[str, Any]


def run(options: Options, data: Path) -> Outcome:
    """Run it once, print the tables and return what came of it; `data` holds everything, logs included."""
    until = time.monotonic() + options.minutes * 60
    with _store(options, data) as (store, disk):
        kinds, skipped = _kinds(options, disk)
        for kind, reason in skipped.items():
            print(f"left out: {kind}: {reason}", flush=True)
        fleet = Fleet(data, store, quick=options.quick)
        try:
            fleet.start()
            _wait_until_ready(fleet)
            return _work(options, fleet, disk, kinds, until)
        finally:
            fleet.stop()


def _work(options: Options, fleet: Fleet, disk: SmallDisk | None, kinds: set[Kind], until: float) -> Outcome:
    apis, ledger, storage = Apis(fleet.urls), Ledger(options.seed), fleet.store.open()
    traffic = Traffic(apis, ledger, seed=options.seed, clients=options.clients, steps=options.steps)
    striker = Striker(fleet, storage, ledger, traffic, disk=disk, until=until)
    apis.until = until + ENDS_S
    traffic.start()
    strikes = _strike(options, striker, kinds, until)
    while len(ledger.accepted()) < options.jobs and time.monotonic() < until:
        time.sleep(0.5)
    apis.until = time.monotonic() + ENDS_S
    traffic.finish()
    apis.until = time.monotonic() + ENDS_S
    found = audit(ledger, apis, storage, fleet.store)
    history = History(storage, [entry.id for entry in ledger.accepted()])
    workers = [life for name in WORKERS for life in fleet.lives(name)]
    made = rows(strikes, found, history, workers)
    cases = killer_cases(strikes, history, workers, storage)
    accepted = len(ledger.accepted())
    title = (
        f"{len(strikes)} faults over {accepted} jobs, seed {options.seed}, {options.storage}, lease {fleet.lease_s:g} s"
    )
    show_all(made, cases, title)
    told: dict[str, Any] = {
        "strikes": [asdict(strike) for strike in strikes],
        "title": title,
        "options": asdict(options),
        "machine": machine(),
        "requests_repeated": apis.retries,
    }
    document = told | {
        "accepted": accepted,
        "rows": [asdict(row) for row in made],
        "killers": [asdict(case) for case in cases],
    }
    apis.close()
    return Outcome(strikes, accepted, found, document | details(found))


def _strike(options: Options, striker: Striker, kinds: set[Kind], until: float) -> list[Strike]:
    """Carry out faults until enough of them hit a job that had not ended."""
    strikes: list[Strike] = []
    for fault in plan(options.seed, kinds, quick=options.quick):
        if len(strikes) >= options.faults or time.monotonic() >= until:
            return strikes
        if strike := striker.strike(fault):
            strikes.append(strike)
            print(
                f"{len(strikes):4d} {strike.kind}: {len(strike.hit)} jobs, {strike.until - strike.at:.1f} s", flush=True
            )
    return strikes


@contextmanager
def _store(options: Options, data: Path) -> Iterator[tuple[FolderStore | S3Store, SmallDisk | None]]:
    data.mkdir(parents=True, exist_ok=True)
    wants_disk = options.storage == "folder" and (not options.only or Kind.DISK_FULL.name in options.only)
    with small_disk(data / "disk") if wants_disk else nullcontext() as disk:
        yield (S3Store(data / "s3") if options.storage == "s3" else FolderStore(data / "disk" / "storage")), disk


def _kinds(options: Options, disk: SmallDisk | None) -> tuple[set[Kind], dict[Kind, str]]:
    conditions = {
        Kind.DISK_FULL: lambda: "" if disk else "only with --storage folder, where a tmpfs can be mounted",
        Kind.WRONG_CLOCK: clock.missing,
    }
    for kind in OF_S3 if options.storage == "folder" else ():
        conditions[kind] = lambda: "the storage is a folder"
    kinds, skipped = possible(conditions)
    if options.only:
        kinds = {kind for kind in kinds if kind.name in options.only}
    return kinds, skipped


def _wait_until_ready(fleet: Fleet) -> None:
    end = time.monotonic() + READY_S
    while not all(fleet.is_ready(name) for name in WORKERS):
        if time.monotonic() > end:
            raise SystemExit(f"the workers were not ready in {READY_S:g} s")
        time.sleep(0.2)


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Options()
    parser.add_argument("--faults", type=int, default=default.faults, help="that hit a job which had not ended")
    parser.add_argument("--jobs", type=int, default=default.jobs, help="the least number of jobs")
    parser.add_argument("--seed", type=int, default=default.seed, help="of the first part: of its plan and its jobs")
    parser.add_argument("--storage", choices=("s3", "folder"), default=default.storage)
    parser.add_argument("--quick", action="store_true", help="leases of 3 s in place of 15 s")
    parser.add_argument("--minutes", type=float, default=default.minutes, help="no more of a part after so long")
    parser.add_argument("--clients", type=int, default=default.clients)
    parser.add_argument("--steps", type=int, nargs=2, default=default.steps, help="of a personalization")
    parser.add_argument("--only", nargs="*", default=[], choices=[kind.name for kind in Kind])
    parser.add_argument("--data", type=Path, help="a folder to keep, logs included; else a temporary one")
    parser.add_argument("--part", type=int, default=25, help="faults of one part; the next part has the next seed")
    parser.add_argument("--out", type=Path, default=Path("build/bench/faults"), help="the figures of all parts")
    parser.add_argument("--add-up", type=Path, metavar="OUT", help="run nothing: add up the parts that lie there")
    return parser.parse_args()


def main() -> None:
    """Run it as the command line says."""
    given = _parsed()
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell makes what it starts in the background ignore SIGINT
        signal.signal(number, lambda *_: sys.exit("interrupted"))
    chosen = {name: value for name, value in vars(given).items() if name not in ("data", "out", "part", "add_up")}
    options = Options(**chosen | {"steps": tuple(given.steps), "only": tuple(given.only)})
    if given.add_up is None:
        go_on(given.out, options.seed, partial(_enough, options), partial(_part, options, given.part, given.data))
    parts = parts_in(given.add_up or given.out)
    try:
        raise SystemExit(0 if parts and add_up(parts) else 1)
    except DifferentPartsError as error:
        raise SystemExit(f"{given.add_up or given.out}: {error}") from None


def _enough(options: Options, parts: Sequence[Document]) -> bool:
    faults, jobs = counts(parts)
    return faults >= options.faults and jobs >= options.jobs


def _part(options: Options, size: int, data: Path | None, seed: int) -> Document:
    """Run one part of a campaign: so many faults at most, and its share of the jobs."""
    faults = min(size, options.faults)
    jobs = math.ceil(options.jobs * faults / options.faults)
    with tempfile.TemporaryDirectory(prefix="tailor-faults-") as folder:
        part = replace(options, faults=faults, jobs=jobs, seed=seed)
        return run(part, data / f"part-{seed}" if data else Path(folder)).document


if __name__ == "__main__":
    main()
