"""Sends calls with httpx, again and again as `Retries` allows: for ordinary code and for asyncio."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, TypeVar

import httpx
from pydantic import BaseModel

from tailor_client import operations
from tailor_client.calls import Call, Tries, lost
from tailor_client.connection import TIMEOUT, Connection, timeout
from tailor_client.errors import NotTailorError, ProblemError, UnreachableError, error_of
from tailor_client.events import Event, EventDecoder
from tailor_client.operations import Page
from tailor_client.retries import Retries

T = TypeVar("T")
V = TypeVar("V", bound=BaseModel)


class Sender:
    """Sends calls and waits."""

    def __init__(self, connection: Connection, retries: Retries, transport: httpx.BaseTransport | None) -> None:
        self.connection = connection
        self._retries = retries
        self._http = httpx.Client(base_url=connection.base_url, transport=transport, timeout=TIMEOUT)

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def do(self, call: Call[T], *, within_s: float | None = None) -> T:
        """Return a call's result; after `within_s` nothing is tried any more."""
        tries = Tries(self._retries.within(within_s), once=call.once)
        while True:
            try:
                return call.result(self._send(call, within_s))
            except (UnreachableError, ProblemError) as error:
                time.sleep(tries.after(error))

    def pages(self, call: Callable[[str | None], Call[Page[V]]]) -> Iterator[V]:
        """Yield the items of all pages; `call` makes the call for a cursor."""
        cursor: str | None = None
        while True:
            items, cursor = self.do(call(cursor))
            yield from items
            if cursor is None:
                return

    def events(self, job_id: str, after: str | None) -> Iterator[Event]:
        """Yield a job's events until its end, over broken connections."""
        decoder, tries = EventDecoder(after), Tries(self._retries)
        while not decoder.is_over:
            error: ProblemError | UnreachableError = _too_soon(job_id)
            try:
                for event in self._stream(job_id, decoder):
                    tries = Tries(self._retries)
                    yield event
            except (UnreachableError, ProblemError) as broken:
                error = broken
            if not decoder.is_over:
                decoder.broken_off()
                time.sleep(tries.after(error))

    def _stream(self, job_id: str, decoder: EventDecoder) -> Iterator[Event]:
        call = operations.events(job_id, decoder.last_id)
        try:
            with self._http.stream(**call.arguments(self.connection)) as response:
                if not response.is_success:
                    response.read()
                    raise error_of(response)
                decoder.is_over = response.status_code == 204
                for data in response.iter_bytes():
                    yield from decoder.feed(data)
        except (httpx.RequestError, ValueError) as error:
            raise _broken(self.connection, error) from error

    def _send(self, call: Call[Any], within_s: float | None) -> httpx.Response:
        try:
            return self._http.request(
                **call.arguments(self.connection), follow_redirects=call.follow, timeout=timeout(within_s)
            )
        except (httpx.RequestError, httpx.InvalidURL) as error:
            raise lost(self.connection, error) from error


class AsyncSender:
    """Sends calls and lets others go on meanwhile."""

    def __init__(self, connection: Connection, retries: Retries, transport: httpx.AsyncBaseTransport | None) -> None:
        self.connection = connection
        self._retries = retries
        self._http = httpx.AsyncClient(base_url=connection.base_url, transport=transport, timeout=TIMEOUT)

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def do(self, call: Call[T], *, within_s: float | None = None) -> T:
        """Return a call's result; after `within_s` nothing is tried any more."""
        tries = Tries(self._retries.within(within_s), once=call.once)
        while True:
            try:
                return call.result(await self._send(call, within_s))
            except (UnreachableError, ProblemError) as error:
                await asyncio.sleep(tries.after(error))

    async def pages(self, call: Callable[[str | None], Call[Page[V]]]) -> AsyncIterator[V]:
        """Yield the items of all pages; `call` makes the call for a cursor."""
        cursor: str | None = None
        while True:
            items, cursor = await self.do(call(cursor))
            for item in items:
                yield item
            if cursor is None:
                return

    async def events(self, job_id: str, after: str | None) -> AsyncIterator[Event]:
        """Yield a job's events until its end, over broken connections."""
        decoder, tries = EventDecoder(after), Tries(self._retries)
        while not decoder.is_over:
            error: ProblemError | UnreachableError = _too_soon(job_id)
            try:
                async for event in self._stream(job_id, decoder):
                    tries = Tries(self._retries)
                    yield event
            except (UnreachableError, ProblemError) as broken:
                error = broken
            if not decoder.is_over:
                decoder.broken_off()
                await asyncio.sleep(tries.after(error))

    async def _stream(self, job_id: str, decoder: EventDecoder) -> AsyncIterator[Event]:
        call = operations.events(job_id, decoder.last_id)
        try:
            async with self._http.stream(**call.arguments(self.connection)) as response:
                if not response.is_success:
                    await response.aread()
                    raise error_of(response)
                decoder.is_over = response.status_code == 204
                async for data in response.aiter_bytes():
                    for event in decoder.feed(data):
                        yield event
        except (httpx.RequestError, ValueError) as error:
            raise _broken(self.connection, error) from error

    async def _send(self, call: Call[Any], within_s: float | None) -> httpx.Response:
        try:
            return await self._http.request(
                **call.arguments(self.connection), follow_redirects=call.follow, timeout=timeout(within_s)
            )
        except (httpx.RequestError, httpx.InvalidURL) as error:
            raise lost(self.connection, error) from error


def _too_soon(job_id: str) -> UnreachableError:
    return UnreachableError(f"the events of {job_id} ended before it did")


def _broken(connection: Connection, error: httpx.RequestError | ValueError) -> UnreachableError:
    """Return the error of an event stream that broke off, or in which something else stands than events."""
    if isinstance(error, httpx.RequestError):
        return lost(connection, error)
    return NotTailorError(f"{connection.url} sends events that are none: {error}")
