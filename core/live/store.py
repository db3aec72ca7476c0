"""All that Redis remembers, behind one name."""

from __future__ import annotations

import redis

from core.live.deliveries import DueDeliveries
from core.live.leases import Leases
from core.live.lines import Lines
from core.live.open_jobs import OpenJobs
from core.live.records import Records
from core.live.scripts import Scripts
from core.live.stored import StoredBytes
from core.live.tails import ReadyTokens
from core.live.watch import Watches
from core.live.workers import Workers


class LiveStore:
    """What Redis remembers of unfinished jobs and of workers.

    Nothing here is authoritative: it is filled from storage again when it is lost. All methods raise
    `redis.RedisError`.
    """

    def __init__(self, client: redis.Redis, *, lease_s: float = 15) -> None:
        scripts, lease_ms = Scripts(client), int(lease_s * 1000)
        self.client = client
        self.records = Records(client, scripts, lease_ms=lease_ms)
        self.lines = Lines(client, scripts, lease_ms=lease_ms)
        self.leases = Leases(client, scripts, lease_ms=lease_ms)
        self.open_jobs = OpenJobs(client)
        self.watches = Watches(client, scripts, lease_ms=lease_ms)
        self.workers = Workers(client, scripts)
        self.deliveries = DueDeliveries(client, scripts)
        self.stored = StoredBytes(client, scripts)
        self.ready_tokens = ReadyTokens(client)

    def time_s(self) -> float:
        """Return Redis' time, in seconds since 1970."""
        seconds, micros = self.client.time()
        return int(seconds) + int(micros) / 1e6
