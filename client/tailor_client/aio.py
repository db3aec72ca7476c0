"""The client for asyncio: the methods of `Tailor` as coroutines and asynchronous iterators."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, Unpack

import httpx

from tailor_client import operations
from tailor_client.answers import Deletion, Delivery, Job, JobKind, JobStatus, Model, Result, Tail
from tailor_client.connection import DEFAULT_URL, Connection
from tailor_client.errors import JobFailedError, WaitTimeoutError
from tailor_client.events import Event
from tailor_client.operations import Scaled, TailLike
from tailor_client.options import EditOptions, PersonalizeOptions
from tailor_client.pictures import Picture
from tailor_client.retries import Retries
from tailor_client.sending import AsyncSender

WAIT_S = 30.0  # how long one request waits for news


class AsyncTailor:
    """Talks to one server. What it makes carries an Idempotency-Key, so that a repetition makes nothing twice.

    All methods raise ProblemError for what the server refuses, and UnreachableError when none answers in spite of
    `retries`.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        key: str | None = None,
        retries: Retries | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Connect to nothing yet. `key` is an API key, that in TAILOR_API_KEY otherwise."""
        self._sender = AsyncSender(Connection.to(url, key), retries or Retries(), transport)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _t: type[BaseException] | None, _e: BaseException | None, _tb: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._sender.close()

    @property
    def url(self) -> str:
        """The server."""
        return self._sender.connection.url

    async def personalize(
        self,
        pictures: Picture | Sequence[Picture],
        prompt: str | Sequence[str],
        *,
        wait_s: float = 0,
        inline: bool = False,
        idempotency_key: str | None = None,
        **options: Unpack[PersonalizeOptions],
    ) -> Job:
        """Have a subject learned from one picture or more, with one prompt for all or one for each.

        The answer comes at once, or with `wait_s` when the job and its `edits` have ended, at the latest after so long.
        With `inline` small pictures of edits are in it.
        """
        return await self._sender.do(
            operations.personalize(pictures, prompt, options, key=idempotency_key, wait_s=wait_s, inline=inline)
        )

    async def edit(
        self,
        tails: Scaled | Sequence[Scaled],
        prompt: str | None = None,
        *,
        picture: Picture | None = None,
        wait_s: float = 0,
        inline: bool = False,
        idempotency_key: str | None = None,
        **options: Unpack[EditOptions],
    ) -> Job:
        """Ask for pictures of a tail's subject; of several tails, each alone or with its scale.

        A tail is an id, a Tail, or the Job that makes it, which need not have ended. `picture` goes with `strength`.
        """
        return await self._sender.do(
            operations.edit(tails, prompt, picture, options, key=idempotency_key, wait_s=wait_s, inline=inline)
        )

    async def job(self, job: str | Job, *, wait_s: float = 0, inline: bool = False) -> Job:
        """Return a job; with `wait_s` when its status changes, at the latest after so long."""
        return await self._sender.do(operations.job(job, wait_s=wait_s, inline=inline))

    async def wait(self, job: str | Job, *, timeout_s: float | None = None, check: bool = True) -> Job:
        """Return a job once it has ended.

        Raises JobFailedError unless it succeeded (not without `check`), and WaitTimeoutError.
        """
        until = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            left = WAIT_S if until is None else min(WAIT_S, max(0.0, until - time.monotonic()))
            within = None if until is None else left
            seen = await self._sender.do(operations.job(job, wait_s=left), within_s=within)
            if seen.status.ended:
                break
            if until is not None and time.monotonic() >= until:
                raise WaitTimeoutError(seen, timeout_s or 0)
        if check and seen.status is not JobStatus.SUCCEEDED:
            raise JobFailedError(seen)
        return seen

    async def watch(self, job: str | Job, *, beat_s: float = 1.0) -> AsyncIterator[Job]:
        """Yield a job when its status changes and as often as `beat_s` says, the ended one last."""
        while True:
            started = time.monotonic()
            seen = await self.job(job, wait_s=beat_s)
            yield seen
            if seen.status.ended:
                return
            # A server without long polls answers at once: it is not asked more often for that.
            await asyncio.sleep(max(0.0, beat_s / 2 - (time.monotonic() - started)))

    def events(self, job: str | Job, *, after: str | None = None) -> AsyncIterator[Event]:
        """Yield a job's events from its beginning, or after that id, until its end, over broken connections."""
        return self._sender.events(operations.id_of_job(job), after)

    async def cancel(self, job: str | Job) -> Job:
        """Cancel a job; one that has ended comes back unchanged."""
        return await self._sender.do(operations.cancel(job))

    def jobs(
        self,
        *,
        kind: JobKind | None = None,
        status: str | Sequence[str] = (),
        tail: TailLike | None = None,
        labels: Mapping[str, str] | None = None,
        page: int | None = None,
    ) -> AsyncIterator[Job]:
        """Yield all jobs, newest first, `page` a request: of one of the statuses, with all of the labels."""
        tail_id = None if tail is None else operations.id_of_tail(tail)
        query = operations.Query(status, labels, page, kind, tail_id)
        return self._sender.pages(lambda cursor: operations.jobs(query, cursor))

    def tails(
        self,
        *,
        status: str | Sequence[str] = (),
        labels: Mapping[str, str] | None = None,
        page: int | None = None,
    ) -> AsyncIterator[Tail]:
        """Yield all tails, newest first, ready or not."""
        query = operations.Query(status, labels, page)
        return self._sender.pages(lambda cursor: operations.tails(query, cursor))

    async def tail(self, tail: TailLike) -> Tail:
        """Return a tail."""
        return await self._sender.do(operations.tail(tail))

    async def tail_file(self, tail: TailLike) -> bytes:
        """Return a tail as its safetensors file."""
        return await self._sender.do(operations.tail_file(tail))

    async def import_tail(
        self,
        file: str | os.PathLike[str] | bytes,
        *,
        prompt: str | None = None,
        labels: Mapping[str, str] | None = None,
        ttl: int | None = None,
        idempotency_key: str | None = None,
    ) -> Tail:
        """Take a tail's file to the server; edits may use it at once."""
        options = {"prompt": prompt, "labels": labels, "ttl": ttl}
        return await self._sender.do(operations.import_tail(file, options, key=idempotency_key))

    async def label(self, tail: TailLike, labels: Mapping[str, str | None]) -> Tail:
        """Change a tail's labels: those that are named are set, or removed with None; the others stay."""
        return await self._sender.do(operations.label(tail, labels))

    async def delete_tail(self, tail: TailLike, *, edits: bool = False) -> Deletion:
        """Delete a tail with all that it was learned from, and if asked to the edits with it."""
        return await self._sender.do(operations.delete_tail(tail, edits=edits))

    async def delete_job(self, job: str | Job) -> Deletion:
        """Delete a job, ended or not, with its pictures, its tail or its results."""
        return await self._sender.do(operations.delete_job(job))

    async def download(self, what: str | Result | Tail) -> bytes:
        """Return the bytes of a result, a tail, or what else has a signed URL."""
        return await self._sender.do(operations.download(what))

    async def deliveries(self, job: str | Job) -> list[Delivery]:
        """Return what a job's webhook was sent."""
        return await self._sender.do(operations.deliveries(job))

    async def deliver_again(self, job: str | Job, event: str) -> Delivery:
        """Have an event delivered again."""
        return await self._sender.do(operations.deliver_again(job, event))

    async def webhook_secrets(self) -> list[str]:
        """Return the secrets that sign your webhooks, for `verify_webhook`."""
        return await self._sender.do(operations.webhook_secrets())

    async def models(self) -> list[Model]:
        """Return the models that can be used now, the default one first."""
        return await self._sender.do(operations.models())

    async def readiness(self) -> dict[str, Any]:
        """Return what the server reports of itself, `ready` among it."""
        return await self._sender.do(operations.readiness())

    async def count_tokens(self, model: str, text: str) -> int:
        """Return how many tokens a model makes of a text, with its two markers."""
        return await self._sender.do(operations.count_tokens(model, text))

    async def limits(self) -> dict[str, Any]:
        """Return every limit of the server with its setting, and what you have used."""
        return await self._sender.do(operations.limits())

    async def metrics(self) -> str:
        """Return the server's metrics in Prometheus' text format."""
        return await self._sender.do(operations.metrics())
