"""Which process' reconciler looks after all jobs, and whether time stood still before."""

from __future__ import annotations

from dataclasses import dataclass

import redis

from core.live import names
from core.live.scripts import Scripts


@dataclass(frozen=True)
class Watch:
    """What the leader of a pass must know; times are Redis' own, in ms."""

    memory_lost: bool  # said once for each filling
    now_ms: int
    grace_until_ms: int
    filling: str  # which filling of Redis from storage is to be done, or is under way; empty when it is done

    @property
    def may_reap(self) -> bool:
        """Whether every worker had a whole lease's time to renew since time stood still."""
        return self.now_ms >= self.grace_until_ms


class Watches:
    """Elects one process at a time. Two at once for a moment do no harm: every step of a pass may be done twice."""

    def __init__(self, client: redis.Redis, scripts: Scripts, *, lease_ms: int) -> None:
        self._client = client
        self._scripts = scripts
        self._lease_ms = lease_ms

    def keep(self, process: str, *, every_ms: int, gap_ms: int) -> Watch | None:
        """Lead for two more passes; None while another process does.

        A gap longer than `gap_ms` between two watches means that leases may have run out unrenewed.
        """
        keys = [names.LEADER, names.WATCHED, names.GRACE, names.EPOCH]
        leads, lost, now, grace, filling = self._scripts.run(
            "watch", keys, process, 2 * every_ms, gap_ms, self._lease_ms
        )
        return Watch(bool(lost), int(now), int(grace), filling) if leads else None

    def filled(self, filling: str) -> None:
        """Say that Redis knows all open jobs again; without effect if it has lost its memory once more."""
        self._scripts.run("filled", [names.EPOCH], filling)

    def resign(self, process: str) -> None:
        """Let another process lead at once, if this one does."""
        if self._client.get(names.LEADER) == process:
            self._client.delete(names.LEADER)
