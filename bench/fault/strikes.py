"""Carries out one fault after the other, each at a moment at which it hits a job that has not ended."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from bench.fault.client.ledger import Entry, Ledger
from bench.fault.client.traffic import Traffic
from bench.fault.kinds import ON_WORKERS, Fault, Kind
from bench.fault.stack.clock import faketime
from bench.fault.stack.disk import SmallDisk
from bench.fault.stack.fleet import APIS, DEADLY_PROMPT, WORKERS, Fleet
from bench.fault.stack.servers import S3Store
from bench.fault.verdict.attempts import claims_of, end_of, running_on
from core.errors import StorageUnavailableError
from core.storage import Storage

INNOCENTS = 7
MOMENT_S = 10.0  # how long to wait for a moment at which a fault hits something
LOOK_S = 0.2
UP_S = 60.0  # a process that is not up again after so long is waited for no more
QUIET_S = 60.0  # how long it is waited for that nothing runs, before a killer and its neighbors are sent
KILLER_S = 90.0  # how long the ends of a killer and its neighbors are waited for before something else is broken
RECOVERY_S = 25.0  # and a lease: how long after a worker's death nothing else is broken, so that recovery shows


@dataclass(frozen=True)
class Strike:
    """One fault that was carried out; times are seconds since the epoch."""

    fault: Fault
    at: float
    until: float
    hit: tuple[str, ...]
    worker_pid: int = 0
    lease_s: float = 0.0

    @property
    def kind(self) -> Kind:
        """What kind of fault it was."""
        return self.fault.kind


class Striker:
    """Breaks things as planned; `strike` returns None when there was nothing to hit."""

    def __init__(
        self,
        fleet: Fleet,
        storage: Storage,
        ledger: Ledger,
        traffic: Traffic,
        *,
        disk: SmallDisk | None,
        until: float,
    ) -> None:
        self.fleet, self.storage, self.ledger, self.traffic, self.disk = fleet, storage, ledger, traffic, disk
        self.until = until  # time.monotonic(): nothing is waited for beyond it

    def strike(self, fault: Fault) -> Strike | None:
        """Carry out one fault and wait until all processes run again."""
        self._wait_until_up(fault.kind)
        time.sleep(fault.pause_s)
        found = self._worker_moment(fault) if fault.kind in ON_WORKERS else (0, self._open_jobs())
        if found is None or not found[1]:
            return None
        pid, hit = found
        at = time.time()
        if fault.kind is Kind.KILLER:
            hit = self._killer(fault)
        elif fault.kind in ON_WORKERS:
            self._break_worker(fault, pid)
        else:
            self._break(fault)
        strike = Strike(fault, at, time.time(), tuple(hit), pid, self.fleet.lease_s)
        if fault.kind in ON_WORKERS:
            self._wait(lambda: self._all_taken(hit, pid), self.fleet.lease_s + RECOVERY_S)
        return strike

    # Moments

    def _wait_until_up(self, kind: Kind) -> None:
        """Wait until Redis answers, and until all workers can work where recovery is to be measured."""
        workers = WORKERS if kind in ON_WORKERS or kind is Kind.KILLER else ()
        self._wait(lambda: self.fleet.redis.is_up() and all(map(self.fleet.is_ready, workers)), UP_S)

    def _wait(self, happened: Callable[[], bool], most_s: float) -> bool:
        end = min(self.until, time.monotonic() + most_s)
        while time.monotonic() < end:
            with suppress(StorageUnavailableError):
                if happened():
                    return True
            time.sleep(LOOK_S)
        return False

    def _open_jobs(self) -> list[str]:
        found: list[str] = []

        def look() -> bool:
            found[:] = [e.id for e in self.ledger.open() if end_of(self.storage, e.id) is None]
            return bool(found)

        self._wait(look, MOMENT_S)
        return found

    def _worker_moment(self, fault: Fault) -> tuple[int, list[str]] | None:
        """Return a worker that runs something right now, the planned one if it does, and what it runs."""
        names = WORKERS[fault.target :] + WORKERS[: fault.target]
        found: list[tuple[int, list[str]]] = []

        def look() -> bool:
            ids = [entry.id for entry in self.ledger.open()]
            for name in names:
                pid = self.fleet.pid(name)
                if pid and (hit := running_on(self.storage, pid, ids)):
                    found.append((pid, hit))
                    return True
            return False

        return found[0] if self._wait(look, MOMENT_S) else None

    def _all_taken(self, hit: list[str], pid: int) -> bool:
        """Tell whether somebody else has claimed, or ended, each of these jobs."""
        return not running_on(self.storage, pid, hit)

    # Faults

    def _break_worker(self, fault: Fault, pid: int) -> None:
        name = next(name for name in WORKERS if self.fleet.pid(name) == pid)
        if fault.kind is Kind.WORKER_KILL:
            self.fleet.signal(name, signal.SIGKILL)
        elif fault.kind is Kind.WORKER_TERM:
            self.fleet.signal(name, signal.SIGTERM)
            self._wait(lambda: self.fleet.pid(name) not in (pid,), UP_S)
        else:
            self.fleet.signal(name, signal.SIGSTOP)
            self._hold(self.fleet.lease_s + fault.hold_s)
            self.fleet.signal(name, signal.SIGCONT)

    def _break(self, fault: Fault) -> None:
        fleet, redis = self.fleet, self.fleet.redis
        match fault.kind:
            case Kind.API_KILL:
                fleet.signal(APIS[fault.target], signal.SIGKILL)
            case Kind.REDIS_KILL:
                fleet.signal("redis", signal.SIGKILL)
            case Kind.REDIS_WIPE:
                redis.wipe_next()
                fleet.signal("redis", signal.SIGKILL)
            case Kind.REDIS_FLUSH:
                redis.flush()
            case Kind.REDIS_STALL | Kind.S3_STALL:
                self._stall("redis" if fault.kind is Kind.REDIS_STALL else "s3", fault.hold_s)
            case Kind.S3_KILL:
                fleet.signal("s3", signal.SIGKILL)
            case Kind.REDIS_CUT | Kind.S3_CUT:
                self._cut(fault)
            case Kind.DISK_FULL if self.disk:
                with self.disk.full():
                    self._hold(fault.hold_s)
            case Kind.WRONG_CLOCK:
                self._wrong_clock((*WORKERS, *APIS)[fault.number % 4], fault)

    def _stall(self, name: str, hold_s: float) -> None:
        self.fleet.signal(name, signal.SIGSTOP)
        self._hold(hold_s)
        self.fleet.signal(name, signal.SIGCONT)

    def _cut(self, fault: Fault) -> None:
        store = self.fleet.store
        proxy = store.proxy if fault.kind is Kind.S3_CUT and isinstance(store, S3Store) else self.fleet.redis.proxy
        proxy.stall() if fault.target else proxy.cut()
        self._hold(fault.hold_s)
        proxy.heal()

    def _wrong_clock(self, name: str, fault: Fault) -> None:
        """Start a process again with a wrong clock, let it work for a while, and start it with the right one."""
        variables = self.fleet.extra[name]
        variables |= faketime()
        self._end_and_wait(name)
        self._hold(10 + 3 * fault.hold_s)
        for variable in faketime():
            del variables[variable]
        self._end_and_wait(name)

    def _end_and_wait(self, name: str) -> None:
        pid = self.fleet.signal(name, signal.SIGTERM)
        self._wait(lambda: self.fleet.pid(name) not in (pid, None), UP_S)

    def _killer(self, fault: Fault) -> list[str]:
        """Send seven innocent jobs and one that kills its worker; wait for their ends for a while."""
        draw = random.Random(f"killer {fault.number}")
        tail = next((e for e in self.ledger.all() if e.path == "/personalize" and e.status == "succeeded"), None)
        if tail is None or tail.ended is None:
            return []
        with self.traffic.paused():
            self._wait(lambda: not self.ledger.open(), QUIET_S)
            jobs = self._on_one_worker(draw, tail.ended["tail_id"], fault.target)
            self.traffic.see_through_meanwhile(jobs, KILLER_S)
        return [entry.id for entry in jobs]

    def _on_one_worker(self, draw: random.Random, tail_id: str, target: int) -> list[Entry]:
        """Let one worker take all of them, the killer last, and die of it: the other one stands still until then."""
        victim, other = WORKERS[target], WORKERS[1 - target]
        pid = self.fleet.pid(victim)
        self.fleet.signal(other, signal.SIGSTOP)
        try:
            innocents = self.traffic.send([self.traffic.innocent(draw) for _ in range(INNOCENTS)])
            ids = [entry.id for entry in innocents]
            self._wait(lambda: all(claims_of(self.storage, job_id) for job_id in ids), MOMENT_S)
            killer = self.traffic.edit(draw, tail_id, "killer", DEADLY_PROMPT)
            self.traffic.send([killer])
            self._wait(lambda: self.fleet.pid(victim) != pid, MOMENT_S)
        finally:
            self.fleet.signal(other, signal.SIGCONT)
        return [killer, *innocents]

    @staticmethod
    def _hold(seconds: float) -> None:
        time.sleep(seconds)  # a fault lasts for so long: there is nothing to wait for
