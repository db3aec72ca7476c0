"""Renews leases, tells that the worker is alive, hears of cancellations, ends a stuck worker."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import structlog
from redis.exceptions import RedisError

from core.jobs.attempts import Attempt
from core.jobs.claims import Claims
from core.live.names import CANCELED
from worker.serving.runner import Runner

STUCK_EXIT_CODE = 70  # EX_SOFTWARE: whoever supervises this process starts it again
RETRY_S = 1.0
log = structlog.get_logger()


class Heartbeat:
    """Keeps a worker's leases, says that it is alive, and listens for cancellations; two threads.

    A worker whose engine is stuck renews nothing and exits: its jobs go to others.
    """

    def __init__(
        self, runner: Runner, claims: Claims, *, every_s: float, stall_s: float, describe: Callable[[], dict[str, Any]]
    ) -> None:
        self.runner = runner
        self.claims = claims
        self.every_s = every_s
        self.stall_s = stall_s
        self.describe = describe
        self._stop = threading.Event()

    def start(self) -> None:
        """Begin both threads."""
        threading.Thread(target=self._beat_loop, name="heartbeat", daemon=True).start()
        threading.Thread(target=self._listen_loop, name="cancellations", daemon=True).start()

    def stop(self) -> None:
        """End both threads at their next turn, and say that this worker ends."""
        self._stop.set()
        with suppress(RedisError):  # then it is taken for alive for some seconds more
            self.claims.store.live.workers.leave(self.claims.worker_id)

    def _beat_loop(self) -> None:
        while not self._stop.wait(self.every_s):
            try:
                if self.runner.engine.is_stuck(self.stall_s):
                    log.error("engine.stuck", stall_s=self.stall_s, call=str(self.runner.engine.pace.call))
                    os._exit(STUCK_EXIT_CODE)
                self.beat()
            except Exception:  # without this thread all leases would run out
                log.exception("heartbeat.failed")

    def beat(self) -> None:
        """Renew all leases once; a job whose lease another worker has is stopped here."""
        for attempt in self.runner.attempts():
            try:
                self._renew(attempt)
            except Exception:  # what is wrong with one lease must not cost the others theirs
                log.exception("lease.renew.failed", job=attempt.spec.id, attempt=attempt.number, **attempt.spec.origin)
        try:
            self.claims.store.live.workers.beat(self.claims.worker_id, self.describe(), ttl_s=self.every_s * 3)
        except RedisError as error:
            log.warning("heartbeat.redis_away", error=str(error))

    def _renew(self, attempt: Attempt) -> None:
        if not self.claims.renew(attempt):
            log.warning("lease.lost", job=attempt.spec.id, attempt=attempt.number, **attempt.spec.origin)
            self.runner.lose(attempt)

    def _listen_loop(self) -> None:
        while not self._stop.is_set():
            try:
                self._listen()
            except RedisError as error:
                log.warning("cancellations.redis_away", error=str(error))
                self._stop.wait(RETRY_S)
            except Exception:  # without this thread no cancellation would be heard again
                log.exception("cancellations.failed")
                self._stop.wait(RETRY_S)

    def _listen(self) -> None:
        pubsub = self.claims.store.live.client.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call] # redis-py
        with pubsub:
            pubsub.subscribe(CANCELED)
            while not self._stop.is_set():
                message = pubsub.get_message(timeout=0.5)
                if message:
                    self.runner.cancel(str(message["data"]))
