"""Which workers are alive, what they serve, and which of them makes itself free for jobs that must run alone."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any, NamedTuple, cast

import redis
from pydantic import ValidationError

from core.forecast.loads import Load
from core.live import names
from core.live.scripts import Scripts


class Served(NamedTuple):
    """A model that a worker serves, and the positions of the tail prior that its copy has.

    0: it has none; None: the worker is of a version that does not say so.
    """

    model_hash: str
    prior_positions: int | None = None


class Workers:
    """What the heartbeats of workers say."""

    def __init__(self, client: redis.Redis, scripts: Scripts) -> None:
        self._client = client
        self._scripts = scripts

    def beat(self, worker_id: str, state: dict[str, Any], ttl_s: float) -> None:
        """Say that a worker is alive, and what it does; `state["models"]` maps the names it serves to their hashes."""
        told = json.dumps(state | {"id": worker_id})
        keys = [names.WORKERS, names.WORKER_STATES, names.WORKER_LOADS]
        self._scripts.run("beat", keys, worker_id, told, int(ttl_s * 1000))

    def leave(self, worker_id: str) -> None:
        """Say that a worker ends; what it was elected for it is no more."""
        self.resign(worker_id)
        self._client.zrem(names.WORKERS, worker_id)
        self._client.hdel(names.WORKER_STATES, worker_id)
        self._client.hdel(names.WORKER_LOADS, worker_id)

    def tell(self, worker_id: str, load: Load) -> None:
        """Say what a worker runs and how fast it is; forgotten with its heartbeat."""
        self._client.hset(names.WORKER_LOADS, worker_id, load.model_dump_json())

    def loads(self) -> list[Load]:
        """Return what each living worker runs, as far as this version can read it."""
        loads = []
        for told in self._scripts.run("alive", [names.WORKERS, names.WORKER_LOADS]):
            with suppress(ValidationError):
                if told:
                    loads.append(Load.model_validate_json(told))
        return loads

    def alive(self) -> list[dict[str, Any]]:
        """Return what each living worker said last."""
        values = self._scripts.run("alive", [names.WORKERS, names.WORKER_STATES])
        return [json.loads(value) for value in values if value]

    def served(self) -> set[Served]:
        """Return the models that living workers serve, each by the hash of its weights with its tail prior's size."""
        return {
            Served(model, (worker.get("priors") or {}).get(model))
            for worker in self.alive()
            for model in (worker.get("models") or {}).values()
        }

    def elect(self, worker_id: str, ttl_s: int) -> bool:
        """Tell whether this worker is the one that drains itself for the jobs that must run alone."""
        if self._client.set(names.DRAINING, worker_id, nx=True, ex=ttl_s):
            return True
        if cast("str | None", self._client.get(names.DRAINING)) != worker_id:
            return False
        self._client.expire(names.DRAINING, ttl_s)
        return True

    def resign(self, worker_id: str) -> None:
        """Give that election back."""
        if cast("str | None", self._client.get(names.DRAINING)) == worker_id:
            self._client.delete(names.DRAINING)
