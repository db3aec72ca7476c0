"""One Redis reader a process, which wakes whoever waits for a job."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis.asyncio
import structlog
from redis.exceptions import RedisError

from core.live.names import changed_channel

log = structlog.get_logger()
RETRY_S = 1.0
PING_S = 10.0
IDLE_CHANNEL = changed_channel("none")


class Watch:
    """Wakes one reader when its job changes."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self._changed = asyncio.Event()

    def wake(self) -> None:
        """Let the reader look again."""
        self._changed.set()

    async def changed(self, timeout_s: float) -> bool:
        """Wait until the job changes: True; False when that has not been seen for so long.

        Nobody sees anything while Redis is away: then the wait is at most `watcher.away_poll_s`.
        """
        if self._watcher.stopping:
            return False
        limit = timeout_s if self._watcher.connected else min(timeout_s, self._watcher.away_poll_s)
        try:
            await asyncio.wait_for(self._changed.wait(), max(0.0, limit))
        except TimeoutError:
            return False
        self._changed.clear()
        return True


class Watcher:
    """The one Redis reader of this process: it tells long polls and event streams that their job has changed.

    It subscribes to the channels of the jobs that somebody here watches, and to no others.
    """

    def __init__(self, client: redis.asyncio.Redis, *, away_poll_s: float = 2.0) -> None:
        self.away_poll_s = away_poll_s
        self.connected = False
        self.stopping = False  # nobody shall wait here any longer
        self._client = client
        self._watches: dict[str, set[Watch]] = {}  # by channel
        self._wanted = asyncio.Event()  # set when the channels that are wanted have changed

    @contextmanager
    def watch(self, job_id: str) -> Iterator[Watch]:
        """Watch a job for the length of the block."""
        watch, channel = Watch(self), changed_channel(job_id)
        self._watches.setdefault(channel, set()).add(watch)
        self._wanted.set()
        try:
            yield watch
        finally:
            self._watches[channel].discard(watch)
            if not self._watches[channel]:
                del self._watches[channel]
            self._wanted.set()

    def stop(self) -> None:
        """Let all who wait answer now: the process is to end, and a client that comes back finds another one.

        Each connection says so: who waits is woken by the first.
        """
        if not self.stopping:
            self.stopping = True
            self._wake_all()

    async def run(self) -> None:
        """Read until canceled; come back by itself after an outage."""
        while True:
            try:
                await self._read()
            except (RedisError, OSError) as error:
                log.warning("watcher.redis_away", error=str(error))
            finally:
                was_connected, self.connected = self.connected, False
            if was_connected:  # not at each try: who waits asks storage at its own pace until Redis is back
                self._wake_all()
            await asyncio.sleep(RETRY_S)

    async def _read(self) -> None:
        async with self._client.pubsub() as pubsub:
            await pubsub.subscribe(IDLE_CHANNEL)  # so that there is a connection to listen on
            self.connected = True
            self._wake_all()  # something may have changed before
            subscribing = asyncio.create_task(self._subscribe(pubsub))
            try:
                while not subscribing.done():
                    message = await pubsub.get_message(timeout=PING_S)
                    if message is not None and message["type"] in ("message", "subscribe"):
                        self._wake(message["channel"])  # once subscribed: something may have changed just before
                subscribing.result()
            finally:
                subscribing.cancel()

    async def _subscribe(self, pubsub: Any) -> None:
        """Keep the subscribed channels those that somebody watches."""
        subscribed: set[str] = set()
        self._wanted.set()
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            wanted = set(self._watches)
            if wanted - subscribed:
                await pubsub.subscribe(*(wanted - subscribed))
            if subscribed - wanted:
                await pubsub.unsubscribe(*(subscribed - wanted))
            subscribed = wanted

    def _wake(self, channel: str) -> None:
        for watch in self._watches.get(channel, ()):
            watch.wake()

    def _wake_all(self) -> None:
        for channel in self._watches:
            self._wake(channel)
