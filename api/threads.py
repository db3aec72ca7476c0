"""Threads of their own for each kind of blocking work, so that none of it waits for another kind."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from core.cpus import usable_cpus

P = ParamSpec("P")
T = TypeVar("T")


class Threads:
    """A bounded number of threads for one kind of work."""

    def __init__(self, name: str, count: int) -> None:
        self._pool = ThreadPoolExecutor(count, thread_name_prefix=name)

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call it in one of the threads, with the caller's context variables (the log's request id among them)."""
        context = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(self._pool, partial(context.run, call, *args, **kwargs))

    def start(self, call: Callable[[], object]) -> None:
        """Let it be called in one of the threads; nobody waits for it."""
        self._pool.submit(call)

    def stop(self) -> None:
        """Take no more work; what runs comes to its end by itself."""
        self._pool.shutdown(wait=False, cancel_futures=True)


class AllThreads:
    """The kinds of blocking work that async endpoints do; what is not named here runs in Starlette's pool."""

    def __init__(self, *, resolving: int = 8) -> None:
        """Make them; `resolving` names may be looked up at once: as many as may be asked for, so that none waits."""
        cores = usable_cpus()
        self.parsing = Threads("parsing", cores)  # of bodies: it computes
        self.decoding = Threads("decoding", cores)  # of pictures: it computes, for a second each
        self.intake = Threads("intake", 16)  # checks and writes of new jobs: they wait for storage
        self.reading = Threads("reading", 16)  # jobs that are polled and followed
        self.webhooks = Threads("webhooks", 4)  # what is sent is read before, and how it went is written after
        self.resolving = Threads(
            "resolving", resolving
        )  # names of hosts that clients name: a name server may take its time
        self.probing = Threads("probing", 3)  # what /readyz asks, and waits for no longer than it likes

    def stop(self) -> None:
        """Take no more work of any kind."""
        for threads in vars(self).values():
            threads.stop()
