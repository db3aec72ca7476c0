"""Puts right what crashes, lost messages and outages left behind."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import structlog
from pydantic import ValidationError
from redis.exceptions import RedisError

from core.clock import is_wrong
from core.errors import GoneError, NotFoundError, StorageUnavailableError
from core.jobs.adoption import Adoption
from core.jobs.attempts import read_attempts
from core.jobs.claims import line_after
from core.jobs.doubts import Doubts
from core.jobs.keeping.expiry import Expiry
from core.jobs.lists.backfill import Backfill
from core.jobs.records import KINDS, JobSpec
from core.jobs.store import JobStore
from core.jobs.sweep import doubt
from core.live.connection import eviction_policy
from core.live.watch import Watch
from core.pace import Pace
from core.webhooks.upkeep import DeliveryUpkeep

log = structlog.get_logger()
MOST_AT_ONCE = 100  # jobs of one concern in one pass
MOST_NUDGES = 8  # of a kind at once: one for each slot that may be free
CLOCK_EVERY_S = 60  # how often a process looks at its own clock
LOOK_EVERY = 2.5  # passes
LOOKED_AT = 10  # open jobs whose end is looked for then, by turns


class Reconciler:
    """Looks after all jobs while it leads; every API and worker process has one, on a thread of its own.

    A pass costs what is due, not what is open: leases that ran out, deadlines that passed, tails that ended.
    """

    def __init__(self, store: JobStore, *, every_s: float, lease_s: float, renew_s: float) -> None:
        self.store = store
        self.every_s = every_s
        # A lease that was renewed in time has this long to go when everything stands still.
        self._gap_ms = int((lease_s - renew_s) * 1000)
        self._process = secrets.token_hex(8)
        self._adoption = Adoption(store, self._guarded)
        self._doubts = Doubts(store, self._guarded)
        self._deliveries = DeliveryUpkeep(store)
        self._expiry = Expiry(store, self._guarded)
        self._backfill = Backfill(store, self._guarded)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._clock_check = Pace(CLOCK_EVERY_S)
        self._redis_seen = False
        self._look = Pace(LOOK_EVERY * every_s)
        self._cursor = 0

    def start(self) -> None:
        """Begin to reconcile every few seconds."""
        self._thread = threading.Thread(target=self._loop, name="reconciler", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread, and let another process lead at once."""
        self._stop.set()
        if self._thread:
            self._thread.join(timeout=10)
        with suppress(RedisError):
            self.store.live.watches.resign(self._process)

    def _loop(self) -> None:
        while not self._stop.is_set():
            self.run_once()
            self._stop.wait(self.every_s)

    def run_once(self) -> None:
        """Make one pass; an outage ends it quietly, anything else that is wrong is logged."""
        try:
            self._pass()
        except RedisError as error:
            self._redis_seen = False
            log.warning("reconcile.redis_away", error=str(error))
        except StorageUnavailableError as error:
            log.warning("reconcile.storage_away", error=error.detail)
        except Exception:  # the loop must outlive any bug in a pass: everything else relies on it
            log.exception("reconcile.failed")

    def _pass(self) -> None:
        live = self.store.live
        watch = live.watches.keep(self._process, every_ms=int(self.every_s * 1000) + 1, gap_ms=self._gap_ms)
        if not self._redis_seen:
            self._redis_seen = True
            self._warn_of_eviction()
        if self._clock_check.due():
            self._warn_of_wrong_clock()
        self.store.deletion.tell_redis()
        for spec in self.store.owed():
            self._guarded(spec.id, partial(self.store.pay, spec))
        if watch is None:
            return
        self._adoption.go_on(filling=watch.filling)
        self._end_overdue(watch)
        self._reap(watch)
        for job_id in live.open_jobs.closing(watch.now_ms - self._gap_ms, MOST_AT_ONCE):
            self._guarded(job_id, partial(self._close, job_id))
        self._look_at_some()
        for tail_id in live.open_jobs.settling(MOST_AT_ONCE):
            self._guarded(tail_id, partial(self.store.settling.go_on, tail_id))
        self._doubts.go_on()
        self._deliveries.go_on(memory_lost=watch.memory_lost)
        self._backfill.go_on()
        self._expiry.go_on()
        self._nudge()

    def _warn_of_eviction(self) -> None:
        policy = eviction_policy(self.store.live.client)
        if policy != "noeviction":
            log.error("redis.evicts", maxmemory_policy=policy, wanted="noeviction")

    def _warn_of_wrong_clock(self) -> None:
        if is_wrong(skew_s := self.store.clock.skew_s):
            log.error("clock.wrong", ahead_s=round(skew_s, 1))

    def _end_overdue(self, watch: Watch) -> None:
        for job_id in self.store.live.open_jobs.overdue(watch.now_ms, MOST_AT_ONCE):
            self._guarded(job_id, partial(self._end_one, job_id))

    def _end_one(self, job_id: str) -> None:
        self.store.fail_if_overdue(self.store.spec(job_id))

    def _reap(self, watch: Watch) -> None:
        """Queue the jobs again whose leases have run out."""
        if not watch.may_reap:
            return
        for job_id in self.store.live.leases.due(watch.now_ms, MOST_AT_ONCE):
            self._guarded(job_id, partial(self._reap_one, job_id))

    def _reap_one(self, job_id: str) -> None:
        self.reap(self.store.spec(job_id))

    def reap(self, spec: JobSpec, *, token: str = "") -> None:
        """Queue one job again whose lease has run out, or whose attempt is a dead process' (`token`)."""
        if end := self.store.end(spec.id):
            self.store.close(spec, end)
            return
        history = read_attempts(self.store.storage, spec.id)
        doubt(self.store.storage, spec.id)
        if self.store.live.leases.reap(spec, line_after(spec, history), token=token):
            log.warning("job.reaped", job=spec.id, attempt=history.newest, crashes=history.crashes, **spec.origin)
            self.store.nudges.send(spec.kind, spec.id)

    def _close(self, job_id: str) -> None:
        """Finish what a process began that died between a job's end and its open marker."""
        if end := self.store.end(job_id):
            self.store.close(self.store.spec(job_id), end)
        else:
            self.store.live.open_jobs.closed(job_id)

    def _look_at_some(self) -> None:
        """Look at a few open jobs, all by turns: one may have ended unannounced, or wait for a tail that is there."""
        if not self._look.due():
            return
        open_jobs = self.store.live.open_jobs
        some = open_jobs.some(self._cursor, LOOKED_AT)
        self._cursor = self._cursor + LOOKED_AT if some else 0
        known, waiting = self.store.live.records.known(some), open_jobs.are_waiting(some)
        for job_id, is_known, waits in zip(some, known, waiting, strict=True):
            self._guarded(job_id, partial(self._look_at, job_id, is_known, waits))

    def _look_at(self, job_id: str, is_known: bool, waits: bool) -> None:
        spec = self.store.spec(job_id)
        if not is_known:
            self.store.track(spec)
        elif end := self.store.end(job_id):
            self.store.close(spec, end)
        elif waits:
            self.store.settling.release(spec)

    def _guarded(self, job_id: str, mend: Callable[[], object]) -> None:
        """Do something for one job; what is wrong with it must not keep the others from theirs."""
        try:
            mend()
        except (NotFoundError, GoneError):
            self.store.forget(job_id)
        except (RedisError, StorageUnavailableError):
            raise
        except ValidationError as error:  # written by a newer version, whose processes will mend it
            log.error("reconcile.unreadable", job=job_id, error=str(error))
        except Exception:
            log.exception("reconcile.job_failed", job=job_id)

    def _nudge(self) -> None:
        """Nudge for every line in which somebody stands: the one message that counts may have been lost."""
        lengths = self.store.live.lines.lengths()
        for kind in KINDS:
            standing = sum(count for (line, _), count in lengths.items() if not line.startswith(_others(kind)))
            wanted = min(standing, MOST_NUDGES) - self.store.nudges.pending(kind)
            for _ in range(wanted):
                self.store.nudges.send(kind)


def _others(kind: str) -> tuple[str, ...]:
    return tuple(other for other in KINDS if other != kind)
