"""Which workers are alive, and which of them makes itself free for suspects."""

from __future__ import annotations

import json
from typing import Any, cast

import redis

from core.live import names


class Workers:
    """What the heartbeats of workers say."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def beat(self, worker_id: str, state: dict[str, Any], ttl_s: int) -> None:
        """Say that a worker is alive, and what it does."""
        self._client.set(names.WORKERS + worker_id, json.dumps(state | {"id": worker_id}), ex=ttl_s)

    def alive(self) -> list[dict[str, Any]]:
        """Return what each living worker said last."""
        keys = sorted(self._client.scan_iter(f"{names.WORKERS}*", count=500))
        values = cast("list[str | None]", self._client.mget(keys)) if keys else []
        return [json.loads(value) for value in values if value]

    def elect(self, worker_id: str, ttl_s: int) -> bool:
        """Tell whether this worker is the one that drains itself for the jobs that must run alone."""
        if self._client.set(names.DRAINING, worker_id, nx=True, ex=ttl_s):
            return True
        if self._client.get(names.DRAINING) != worker_id:
            return False
        self._client.expire(names.DRAINING, ttl_s)
        return True
