"""Hundreds of long polls and event streams at once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest

from api.waiting.bounded import AWAY, Questions
from tests.api.serving import PretendingWorker, personalize

WAITERS = 300
UNLIMITED = httpx.Limits(max_connections=None)
ALL = [("status", "queued"), ("status", "running"), ("progress", 1), ("status", "succeeded")]

Seen = list[tuple[str, object]]


@pytest.fixture
def refusals(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What questions of waiters to Redis came to nothing."""
    seen: list[str] = []

    ask = Questions.ask

    async def noting(questions: Questions, question: Callable[[], Awaitable[Any]]) -> Any:
        try:
            return await ask(questions, question)
        except AWAY as error:
            seen.append(f"{type(error).__name__}: {error}")
            raise

    monkeypatch.setattr(Questions, "ask", noting)
    return seen


async def told(lines: AsyncIterator[str]) -> AsyncIterator[tuple[str, object]]:
    kind = ""
    async for line in lines:
        if line.startswith("event: "):
            kind = line.removeprefix("event: ")
        elif line.startswith("data: "):
            data = json.loads(line.removeprefix("data: "))
            yield kind, data["step"] if kind == "progress" else data["status"]


async def rest(stream: AsyncIterator[tuple[str, object]]) -> Seen:
    return [event async for event in stream]


async def follow(api: httpx.Client, worker: PretendingWorker, job_id: str) -> tuple[list[Seen], list[str]]:
    """Let a job begin and end in front of so many streams and long polls; return what they have seen."""
    async with (
        httpx.AsyncClient(base_url=api.base_url, limits=UNLIMITED, timeout=60) as client,
        AsyncExitStack() as all_,
    ):
        answers = await asyncio.gather(
            *(all_.enter_async_context(client.stream("GET", f"/jobs/{job_id}/events")) for _ in range(WAITERS))
        )
        streams = [told(answer.aiter_lines()) for answer in answers]
        firsts = await asyncio.gather(*(anext(stream) for stream in streams))
        polls = [
            asyncio.create_task(client.get(f"/jobs/{job_id}", headers={"Prefer": "wait=50"})) for _ in range(WAITERS)
        ]
        others = await asyncio.gather(*(client.get(f"/jobs/{job_id}") for _ in range(20)))
        assert {answer.json()["status"] for answer in others} == {"queued"}
        attempt = await asyncio.to_thread(worker.take, job_id)
        statuses = [str((await poll).json()["status"]) for poll in polls]
        await asyncio.to_thread(worker.progress, attempt, 1, 2)
        await asyncio.to_thread(worker.succeed, attempt)
        rests = await asyncio.gather(*(rest(stream) for stream in streams))
    return [[first, *more] for first, more in zip(firsts, rests, strict=True)], statuses


def test_hundreds_of_waiters_are_all_woken_and_none_is_refused_by_redis(
    api: httpx.Client, worker: PretendingWorker, refusals: list[str]
) -> None:
    """The pool of Redis' client has an end: three hundred questions at once went over it, and streams lost events."""
    job_id = str(personalize(api).json()["id"])

    streams, polls = asyncio.run(follow(api, worker, job_id))

    assert refusals == []
    assert set(polls) == {"running"}
    assert [stream for stream in streams if stream != ALL] == []
