"""A job's events as server-sent events, replayed from its Redis Stream; from storage while Redis is away."""

from __future__ import annotations

import json
import re
import time
from collections.abc import AsyncIterator
from typing import Any

import structlog
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from api.state import AppState
from api.views.jobs import JobView, job_view
from api.views.links import Links
from api.waiting.bounded import AWAY
from api.waiting.watcher import Watch
from core.errors import TailorError
from core.jobs.records import JobStatus
from core.live.names import events_key

log = structlog.get_logger()
HEARTBEAT_S = 15.0
REREAD_S = 5.0  # storage is asked so often in any case, as a notice may get lost
LATE_S = 1.0  # a stream is told an end after it is written; only so long is waited for that
BATCH = 200
END_ID = "end"  # the id of an end that the stream does not hold
_STREAM_ID = re.compile(r"\d{1,19}-\d{1,19}")

Entry = tuple[str, dict[str, str]]


def status_of(entry: Entry) -> JobStatus | None:
    """Return the status that an event tells of its job; None if it tells something else."""
    fields = entry[1]
    return JobStatus(json.loads(fields["data"])["status"]) if fields["type"] == "status" else None


def _ends(status: JobStatus | None) -> bool:
    return status is not None and status.ended


async def resumes_after_the_end(state: AppState, job_id: str, last_id: str | None) -> bool:
    """Tell whether a client that reconnects has already seen the end."""
    if last_id is None or last_id == END_ID:
        return last_id == END_ID
    try:
        newest: list[Entry] = await state.questions.ask(lambda: state.redis.xrevrange(events_key(job_id), count=1))
    except AWAY:
        return False
    return bool(newest) and newest[0][0] == last_id and _ends(status_of(newest[0]))


class EventFeed:
    """One client's stream of one job's events."""

    def __init__(self, state: AppState, job_id: str, links: Links) -> None:
        self._state = state
        self._job_id = job_id
        self._links = links
        self._told: JobStatus | None = None  # the last status that was sent
        self._sent_at = time.monotonic()

    async def follow(self, last_id: str | None) -> AsyncIterator[bytes]:
        """Yield events after `last_id` until the end; a snapshot comes first when the stream can't go on from there."""
        try:
            async for data in self._follow(last_id):
                yield data
        except TailorError as error:  # a client that comes back gets it as its answer
            log.warning("events.broken_off", job=self._job_id, error=error.detail)

    async def _follow(self, last_id: str | None) -> AsyncIterator[bytes]:
        with self._state.watcher.watch(self._job_id) as watch:
            after = last_id if last_id and _STREAM_ID.fullmatch(last_id) else None
            if (newest := await self._lost_since(after)) is not None:
                after = newest or None
                yield await self._snapshot(after)
                if self._ended():
                    return
            while True:
                for entry in await self._read(after):
                    after = entry[0]
                    yield self._event(entry)
                    if self._ended():
                        return
                if self._state.watcher.stopping:  # whoever comes back goes on from its last event
                    return
                if await watch.changed(REREAD_S) and self._state.watcher.connected:
                    continue
                async for data in self._meanwhile(after, watch):
                    yield data
                if self._ended():
                    return

    def _ended(self) -> bool:
        return _ends(self._told)

    async def _lost_since(self, after: str | None) -> str | None:
        """Return None if the stream holds all that came after `after`; else its newest id, or "" without a stream."""
        try:
            oldest, newest, info = await self._state.questions.ask(self._extent().execute)
        except AWAY:
            return ""
        if not newest:
            return ""
        if after:  # what lies behind the newest comes from another Redis, or from nowhere
            complete = _order(oldest[0][0]) <= _order(after) <= _order(newest[0][0])
        else:  # the stream still begins where the job began
            complete = info["entries-added"] == info["length"]
        return None if complete else str(newest[0][0])

    def _extent(self) -> Any:
        """Return the question for a stream's oldest and newest entries and for what Redis counts of it."""
        key = events_key(self._job_id)
        asked = self._state.redis.pipeline()
        asked.xrange(key, count=1)
        asked.xrevrange(key, count=1)
        asked.xinfo_stream(key)
        return asked

    async def _read(self, after: str | None) -> list[Entry]:
        try:
            start = f"({after}" if after else "-"
            key, redis = events_key(self._job_id), self._state.redis
            entries: list[Entry] = await self._state.questions.ask(lambda: redis.xrange(key, start, count=BATCH))
        except AWAY:
            return []
        return entries

    def _event(self, entry: Entry) -> bytes:
        self._sent_at = time.monotonic()
        self._told = status_of(entry) or self._told
        return format_sse_event(id=entry[0], event=entry[1]["type"], data_str=entry[1]["data"])

    async def _snapshot(self, event_id: str | None) -> bytes:
        """Return the job as it is now; the id is the newest event that it covers: a client resumes behind it."""
        view = await self._view()
        self._told, self._sent_at = view.status, time.monotonic()
        event_id = END_ID if view.status.ended else event_id
        return format_sse_event(id=event_id, event="snapshot", data_str=view.model_dump_json())

    async def _meanwhile(self, after: str | None, watch: Watch) -> AsyncIterator[bytes]:
        """Yield what there is to say when no event came: a snapshot of what changed unseen, or a heartbeat."""
        try:
            view = await self._view()
        except TailorError:
            view = None  # storage is away too, or the job was deleted: the next connection will hear of it
        changed, connected = view is not None and view.status.ended, self._state.watcher.connected
        if changed and connected and (await self._read(after) or await watch.changed(LATE_S)):
            return  # the stream has its end, or gets it a moment after storage: no event is to be overtaken
        away = view is not None and not connected and view.status != self._told
        if changed or away:
            yield await self._snapshot(after)
        elif time.monotonic() - self._sent_at >= HEARTBEAT_S - REREAD_S / 2:
            self._sent_at = time.monotonic()
            yield KEEPALIVE_COMMENT

    async def _view(self) -> JobView:
        reading = self._state.threads.reading
        job = await reading.run(self._state.services.jobs.state, self._job_id)
        return await reading.run(job_view, job, self._links)


def _order(stream_id: str) -> tuple[int, int]:
    time_ms, _, sequence = stream_id.partition("-")
    return int(time_ms), int(sequence)
