"""Takes the deliveries that are due and sends them, some at once and a few to one host."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass

import structlog
from redis.exceptions import RedisError

from api.metrics import WebhookMetrics
from api.outbound.client import Answer, Outbound, OutboundError
from api.threads import Threads
from api.webhooks.preparation import Preparation, Prepared
from core.errors import StorageUnavailableError
from core.services import Services
from core.webhooks.records import DeliveryAttempt

log = structlog.get_logger()
POLL_S = 0.5
AWAY_S = 2.0
STOP_S = 5.0
MOST_OF_A_HOST = 4  # one slow endpoint must not have all the room
BUSY_HOST_S = 3.0
MAX_ANSWER_BYTES = 16 * 1024  # read, and not looked at


@dataclass(frozen=True)
class _Outcome:
    attempt: DeliveryAttempt
    retry_after_s: float = 0


class Sender:
    """Sends what is due until it is canceled; what it had in hand then is due again when its lease runs out."""

    def __init__(
        self,
        services: Services,
        outbound: Outbound,
        preparation: Preparation,
        threads: Threads,
        metrics: WebhookMetrics,
    ) -> None:
        self._services = services
        self._outbound = outbound
        self._preparation = preparation
        self._threads = threads
        self._metrics = metrics
        self._tasks: set[asyncio.Task[None]] = set()
        self._hosts: Counter[str] = Counter()
        self._owners: Counter[str] = Counter()
        self._most_of_an_owner = max(
            1, services.settings.webhook_sends * 3 // 4
        )  # many slow hosts of one are no better

    async def run(self) -> None:
        """Look for what is due, again and again."""
        try:
            while True:
                await self._round()
        finally:
            if self._tasks:  # what is on its way shall not be sent twice for this
                await asyncio.wait(self._tasks, timeout=STOP_S)
            for task in self._tasks:
                task.cancel()

    async def _round(self) -> None:
        free = self._services.settings.webhook_sends - len(self._tasks)
        if not free:
            await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
            return
        try:
            names = await self._threads.run(self._take, free)
        except RedisError as error:
            log.warning("webhooks.redis_away", error=str(error))
            await asyncio.sleep(AWAY_S)
            return
        for name in names:
            task = asyncio.create_task(self._deliver(name))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if len(names) < free:
            await asyncio.sleep(POLL_S)

    def _take(self, count: int) -> list[str]:
        # All of an attempt, and as long again for what storage takes before and after it.
        return self._services.live.deliveries.take(count, 2 * self._services.settings.webhook_timeout_s + 2)

    async def _deliver(self, name: str) -> None:
        try:
            prepared = await self._threads.run(self._preparation.prepare, name)
            if prepared is not None:
                await self._in_turn(prepared)
        except (RedisError, StorageUnavailableError) as error:  # its lease runs out, and it is due again
            log.warning("webhook.put_off", delivery=name, error=str(error))
        except Exception:
            log.exception("webhook.crashed", delivery=name)
            await self._give_up_this_time(name)

    async def _give_up_this_time(self, name: str) -> None:
        """Count an attempt that nothing came of, so that a message which can't be made is not tried for ever."""
        try:
            await self._threads.run(self._preparation.crashed, name)
        except Exception:  # then its lease runs out, and it is due again
            log.exception("webhook.crashed_again", delivery=name)

    async def _in_turn(self, prepared: Prepared) -> None:
        host, owner = prepared.url.host, prepared.delivery.owner
        if self._hosts[host] >= MOST_OF_A_HOST or self._owners[owner] >= self._most_of_an_owner:
            await self._threads.run(self._preparation.put_off, prepared.delivery, BUSY_HOST_S)
            return
        self._hosts[host] += 1
        self._owners[owner] += 1
        try:
            outcome = await self._post(prepared)
        finally:
            self._hosts[host] -= 1
            self._owners[owner] -= 1
        note = self._preparation.note
        noted = await self._threads.run(
            note, prepared.delivery, outcome.attempt, outcome.retry_after_s, prepared.endpoint
        )
        self._metrics.note(noted)
        log.info(
            "webhook.sent",
            job=noted.job_id,
            webhook_event=noted.event,
            attempt=len(noted.attempts),
            host=host,
            status=outcome.attempt.status,
            error=outcome.attempt.error,
            state=noted.state,
        )

    async def _post(self, prepared: Prepared) -> _Outcome:
        at, began = self._services.clock.now(), time.monotonic()
        answer: Answer | None = None
        error: str | None = None
        try:
            answer = await self._outbound.send(
                "POST",
                prepared.url,
                headers=prepared.headers,
                content=prepared.body,
                max_bytes=MAX_ANSWER_BYTES,
                timeout_s=self._services.settings.webhook_timeout_s,
            )
        except OutboundError as failed:
            error = f"{failed.reason}: {failed.detail}"
        seconds = round(time.monotonic() - began, 3)
        if answer is None:
            return _Outcome(DeliveryAttempt(at=at, seconds=seconds, error=error))
        attempt = DeliveryAttempt(at=at, seconds=seconds, status=answer.status)
        wanted = answer.headers.get("Retry-After", "")
        return _Outcome(attempt, float(wanted[:6]) if wanted.isdecimal() and wanted.isascii() else 0)
