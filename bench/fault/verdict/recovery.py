"""How soon the jobs of a broken worker are claimed again, and how the neighbors of a killer fare."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.fault.kinds import ON_WORKERS, Kind
from bench.fault.stack.fleet import Life
from bench.fault.strikes import Strike
from bench.fault.verdict.attempts import Claim, claims_of, end_of
from core.jobs import keys
from core.storage import Storage


@dataclass(frozen=True)
class KillerCase:
    """One killer beside innocent jobs: how it ended, and how long after its first crash each innocent one ended."""

    ended: str
    crashes: int
    innocents: int
    last_end_s: float | None


class History:
    """Every job's claims and time of end, read once."""

    def __init__(self, storage: Storage, job_ids: Iterable[str]) -> None:
        self._storage = storage
        self.claims = {job_id: claims_of(storage, job_id) for job_id in job_ids}
        self.ended = {job_id: self._ended(job_id) for job_id in self.claims}

    def _ended(self, job_id: str) -> float | None:
        """Return when the end was written, by storage's clock: the process that wrote it may have had a wrong one."""
        info = self._storage.head(keys.end(job_id))
        return info.modified.timestamp() if info else None

    def after(self, pid: int, broken_at: float, among: Iterable[str]) -> list[float]:
        """Return the seconds from a process' break to the next claim of each job that it had claimed last."""
        found = []
        for job_id in among:
            claims = self.claims.get(job_id, [])
            mine = [claim for claim in claims if claim.pid == pid and claim.at <= broken_at]
            later = [claim for claim in claims if claim.at > broken_at]
            if mine and later and not _was_over(mine[-1], claims, broken_at):
                found.append(min(claim.at for claim in later) - broken_at)
        return found


def _was_over(mine: Claim, claims: Sequence[Claim], broken_at: float) -> bool:
    """Tell whether another process had taken the job from this one before it broke."""
    return any(claim.number > mine.number and claim.at <= broken_at for claim in claims)


def recovery_times(strikes: Sequence[Strike], history: History, workers: Sequence[Life]) -> dict[Kind, list[float]]:
    """Return the seconds to each next claim, by the kind of fault."""
    found: dict[Kind, list[float]] = {}
    for strike in strikes:
        seconds = found.setdefault(strike.kind, [])
        if strike.kind in ON_WORKERS:
            seconds += history.after(strike.worker_pid, strike.at, strike.hit)
        elif strike.kind is Kind.KILLER:
            for life in _deaths(workers, strike):
                seconds += history.after(life.pid, life.ended or 0.0, strike.hit[1:])
    return found


def killer_cases(
    strikes: Sequence[Strike], history: History, workers: Sequence[Life], storage: Storage
) -> list[KillerCase]:
    """Return what came of each killer; the innocent ones are those that ran where it first struck."""
    found = []
    for strike in strikes:
        deaths = sorted(_deaths(workers, strike), key=lambda life: life.ended or 0.0)
        if strike.kind is not Kind.KILLER or not deaths or deaths[0].ended is None:
            continue
        killer, *others = strike.hit
        there = [j for j in others if any(claim.pid == deaths[0].pid for claim in history.claims.get(j, []))]
        ends = [ended - deaths[0].ended for job_id in there if (ended := history.ended.get(job_id))]
        end = end_of(storage, killer)
        reason = end.error.type if end and end.error else (end.status if end else "not ended")
        beside = [seconds for seconds in ends if seconds > 0]
        found.append(
            KillerCase(str(reason), len(history.claims.get(killer, [])), len(beside), max(beside, default=None))
        )
    return found


def _deaths(workers: Sequence[Life], strike: Strike) -> list[Life]:
    return [life for life in workers if life.ended is not None and strike.at <= life.ended <= strike.until]
