"""Which kinds of faults there are, how often each one is drawn and for how long it lasts."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """One way in which something breaks."""

    WORKER_KILL = "worker killed"
    WORKER_TERM = "worker ended (SIGTERM)"
    WORKER_STOP = "worker stopped longer than the lease"
    KILLER = "a job that kills its worker, beside seven innocent ones"
    API_KILL = "API killed"
    REDIS_KILL = "Redis killed"
    REDIS_WIPE = "Redis killed, its data deleted"
    REDIS_FLUSH = "FLUSHALL"
    REDIS_STALL = "Redis stalled"
    REDIS_CUT = "connections to Redis cut"
    S3_KILL = "S3 killed"
    S3_STALL = "S3 stalled"
    S3_CUT = "connections to S3 cut"
    DISK_FULL = "disk full"
    WRONG_CLOCK = "one process' clock three days off"


ON_WORKERS = frozenset({Kind.WORKER_KILL, Kind.WORKER_TERM, Kind.WORKER_STOP})
OF_S3 = frozenset({Kind.S3_KILL, Kind.S3_STALL, Kind.S3_CUT})
WEIGHTS = {
    Kind.WORKER_KILL: 8, Kind.WORKER_TERM: 3, Kind.WORKER_STOP: 2, Kind.KILLER: 1, Kind.API_KILL: 3,
    Kind.REDIS_KILL: 3, Kind.REDIS_WIPE: 3, Kind.REDIS_FLUSH: 3, Kind.REDIS_STALL: 2, Kind.REDIS_CUT: 3,
    Kind.S3_KILL: 3, Kind.S3_STALL: 2, Kind.S3_CUT: 3, Kind.DISK_FULL: 3, Kind.WRONG_CLOCK: 1,
}  # fmt: skip
MOST_S = {
    Kind.S3_STALL: 8.0,
    Kind.S3_CUT: 6.0,
    Kind.REDIS_STALL: 8.0,
    Kind.REDIS_CUT: 6.0,
    Kind.DISK_FULL: 6.0,
    Kind.WORKER_STOP: 20.0,
}


@dataclass(frozen=True)
class Fault:
    """One planned fault: what, at which of two equal processes (0 or 1), for how long, how long after the one before.

    `hold_s` counts for what lasts; a stopped worker stays stopped for so long beyond its lease.
    """

    number: int
    kind: Kind
    target: int
    hold_s: float
    pause_s: float


def plan(seed: int, kinds: set[Kind], *, quick: bool) -> Iterator[Fault]:
    """Yield faults without end: first each kind once, in a drawn order, then by their weights."""
    draw = random.Random(f"faults {seed}")
    first = sorted(kinds, key=lambda kind: (kind is Kind.KILLER, draw.random()))
    scale = 0.4 if quick else 1.0
    number = 0
    while True:
        kind = first[number] if number < len(first) else _drawn(draw, kinds)
        hold = draw.uniform(1.0, MOST_S.get(kind, 5.0))
        yield Fault(number, kind, draw.randrange(2), hold * scale, draw.uniform(0.5, 3.0) * scale)
        number += 1


def _drawn(draw: random.Random, kinds: set[Kind]) -> Kind:
    among = sorted(kinds)
    return draw.choices(among, [WEIGHTS[kind] for kind in among])[0]


def possible(conditions: dict[Kind, Callable[[], str]]) -> tuple[set[Kind], dict[Kind, str]]:
    """Return the kinds that can be had here, and why each of the others cannot; a condition's "" means that it can."""
    reasons = {kind: reason for kind, reason_of in conditions.items() if (reason := reason_of())}
    return {kind for kind in Kind if kind not in reasons}, reasons
