"""The figures of a run of the fault suite: one row for each kind of fault."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bench.fault.kinds import Kind
from bench.fault.stack.fleet import Life
from bench.fault.strikes import Strike
from bench.fault.verdict.audit import Findings
from bench.fault.verdict.recovery import History, KillerCase, recovery_times
from bench.report import percentile, show

COLUMNS = (
    "fault", "faults", "jobs hit", "lost", "doubled", "failed", "leaked", "claimed again", "p50, s", "p95, s", "most, s"
)  # fmt: skip
ALL = "all"


@dataclass(frozen=True)
class Row:
    """What one kind of fault did; a job counts where it was hit last."""

    kind: str
    faults: int
    hit: int
    lost: int
    doubled: int
    failed: int
    leaked: int
    recoveries: tuple[float, ...]

    def cells(self) -> list[object]:
        """Return the row as the table shows it."""
        seconds = self.recoveries
        spread = [percentile(seconds, 50), percentile(seconds, 95), max(seconds)] if seconds else []
        shown = [f"{value:.1f}" for value in spread] or ["", "", ""]
        counts = (self.kind, self.faults, self.hit, self.lost, self.doubled, self.failed, self.leaked)
        return [*counts, len(seconds) or "", *shown]


def rows(strikes: Sequence[Strike], found: Findings, history: History, workers: Sequence[Life]) -> list[Row]:
    """Return a row for each kind that was carried out, and one for all."""
    recoveries = recovery_times(strikes, history, workers)
    last = _last_faults(strikes, history)
    made = []
    for kind in Kind:
        mine = [strike for strike in strikes if strike.kind is kind]
        seconds = tuple(recoveries.get(kind, []))
        if mine:
            made.append(_row(kind, mine, found, {job for job in last if last[job] is kind}, seconds))
    # A worker that is ended in peace hands its jobs back at once: that is no recovery.
    every = tuple(s for kind, seconds in recoveries.items() if kind is not Kind.WORKER_TERM for s in seconds)
    wrong = {*found.lost, *found.doubled, *found.failed, *found.leaked}
    return [*made, _row(ALL, strikes, found, wrong, every)]


def _last_faults(strikes: Sequence[Strike], history: History) -> dict[str, Kind]:
    """Return what hit each job last; one that ended while a fault lasted was hit by it, too."""
    last: dict[str, Kind] = {}
    for strike in strikes:
        during = [job for job, ended in history.ended.items() if ended and strike.at <= ended <= strike.until]
        last |= dict.fromkeys([*strike.hit, *during], strike.kind)
    return last


def _row(name: str, strikes: Sequence[Strike], found: Findings, jobs: set[str], recoveries: tuple[float, ...]) -> Row:
    """Return a row that counts what is wrong among `jobs`."""
    return Row(
        kind=name,
        faults=len(strikes),
        hit=len({job_id for strike in strikes for job_id in strike.hit}),
        lost=len(jobs & found.lost.keys()),
        doubled=len(jobs & found.doubled.keys()),
        failed=len(jobs & found.failed.keys()),
        leaked=len(jobs & found.leaked.keys()),
        recoveries=recoveries,
    )


def show_all(made: Sequence[Row], cases: Sequence[KillerCase], title: str) -> None:
    """Print the tables."""
    show(title, COLUMNS, [row.cells() for row in made])
    if cases:
        cells = [
            (case.ended, case.crashes, case.innocents, "" if case.last_end_s is None else f"{case.last_end_s:.1f}")
            for case in cases
        ]
        show("killers", ["the killer", "crashes", "beside it", "the last of them ended after, s"], cells)


def details(found: Findings) -> dict[str, Any]:
    """Return all findings for the JSON."""
    return asdict(found)
