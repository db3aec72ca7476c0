"""Whether jobs can be accepted, and who is there to do them: asked by one for all probes, which never hang on it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from typing import Any

import structlog
from redis.exceptions import RedisError

from api.threads import Threads
from api.waiting.shared import Shared
from core.clock import is_wrong
from core.errors import StorageUnavailableError
from core.services import Services

log = structlog.get_logger()
WRITE_EVERY_S = 5.0
WRITE_KEY = "probe/written"  # one object for all processes and for ever
WRITE_BYTES = 64 * 1024  # like a picture: a full disk may have room for less
PATIENCE_S = 1.0
SLOW_S = 15.0  # storage that is slow but has answered so recently is there
RETRY_AFTER_S = 5
THIS_PROCESS = "api"
NOTHING_KNOWN: Mapping[str, Any] = {"redis": False, "workers": 0, "clocks_off_s": {}}


class Readiness:
    """What `/readyz` says. Only storage decides: jobs are accepted without Redis and without workers."""

    def __init__(self, services: Services, probing: Threads) -> None:
        self._services = services
        self._fleet = Shared(lambda: probing.run(self._read_fleet))
        self._models = Shared(lambda: probing.run(self._read_models))
        self._written = Shared(lambda: probing.run(self._write), max_age_s=WRITE_EVERY_S)

    async def look(self) -> dict[str, Any]:
        """Return the fields of `Readiness` but `storage`; raises StorageUnavailableError with what else it knows."""
        fleet, models, written = await asyncio.gather(
            self._fleet.answer(2 * PATIENCE_S),
            self._models.answer(PATIENCE_S),
            self._written.answer(PATIENCE_S),
            return_exceptions=True,
        )
        known = dict(NOTHING_KNOWN) if isinstance(fleet, BaseException) else fleet
        self._check(models, self._models, "read", known)
        self._check(written, self._written, "written", known)
        return known | {"models": [] if isinstance(models, BaseException) else models}

    def _check(self, outcome: object, question: Shared[Any], done: str, known: dict[str, Any]) -> None:
        if not isinstance(outcome, BaseException):
            return
        if isinstance(outcome, StorageUnavailableError):
            detail = f"storage can't be {done}: {outcome.detail}"
        elif not isinstance(outcome, TimeoutError):
            raise outcome
        elif question.worked_within(SLOW_S):
            return
        else:
            detail = f"storage can't be {done}: it has not answered within {PATIENCE_S:g} s"
        raise StorageUnavailableError(detail, retry_after_s=RETRY_AFTER_S, storage=False, **known)

    def _read_fleet(self) -> dict[str, Any]:
        own = {THIS_PROCESS: self._services.clock.skew_s}
        try:
            workers = self._services.live.workers.alive()
        except RedisError:
            return {"redis": False, "workers": 0, "clocks_off_s": _wrong(own)}
        told = {str(worker["id"]): float(worker.get("clock_skew_s", 0)) for worker in workers}
        return {"redis": True, "workers": len(workers), "clocks_off_s": _wrong(own | told)}

    def _read_models(self) -> list[str]:
        return [info.name for info in self._services.registry.models()]

    def _write(self) -> None:
        try:
            self._services.storage.put(WRITE_KEY, os.urandom(WRITE_BYTES))
        except StorageUnavailableError as error:
            log.warning("storage.not_writable", error=error.detail)
            raise


def _wrong(skews_s: Mapping[str, float]) -> dict[str, float]:
    return {process: round(skew_s, 1) for process, skew_s in skews_s.items() if is_wrong(skew_s)}
