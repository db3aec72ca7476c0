"""A storage at one call of which its process is killed, or waits until a test lets it go on."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from core.storage.base import Storage
from tests.support.job_life import Life

PATIENCE_S = 20.0


@dataclass(frozen=True)
class Point:
    """A call of storage, and whether it is to be carried out (`after`) or not before something happens there."""

    method: str
    key_part: str
    after: bool = False

    def __str__(self) -> str:
        return f"{'after' if self.after else 'before'} {self.method} {self.key_part}"


class InterruptedStorage:
    """Calls `interrupt` at the first call that a point names; everything goes to the real storage."""

    def __init__(self, storage: Storage, point: Point, interrupt: Callable[[], None]) -> None:
        self._storage, self._point, self._interrupt = storage, point, interrupt
        self._happened = False

    def __getattr__(self, method: str) -> Callable[..., Any]:
        def call(key: str, *args: Any, **kwargs: Any) -> Any:
            is_it = not self._happened and method == self._point.method and self._point.key_part in key
            self._happened = self._happened or is_it
            if is_it and not self._point.after:
                self._interrupt()
            try:
                return getattr(self._storage, method)(key, *args, **kwargs)
            finally:
                if is_it and self._point.after:
                    self._interrupt()

        return call


def die_at(life: Life, point: Point, act: Callable[[Life], object]) -> None:
    """Let a process of its own act, and die at the point (SIGKILL): none of its `except` or `finally` runs."""

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def run() -> None:
        own = life.process()
        act(own.with_storage(InterruptedStorage(own.storage, point, die)))

    process = multiprocessing.get_context("fork").Process(target=run)
    process.start()
    process.join(PATIENCE_S)
    assert process.exitcode == -signal.SIGKILL, f"it never came to the point {point}"


@contextmanager
def stopped_at(life: Life, point: Point, act: Callable[[Life], object]) -> Iterator[None]:
    """Let a process act until the point, where it stands still for as long as the block; then it goes on to its end."""
    reached, go_on = threading.Event(), threading.Event()

    def stand_still() -> None:
        reached.set()
        go_on.wait(PATIENCE_S)

    own = life.process()
    interrupted = own.with_storage(InterruptedStorage(own.storage, point, stand_still))
    errors: list[BaseException] = []

    def run() -> None:
        try:
            act(interrupted)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert reached.wait(PATIENCE_S), f"it never came to the point {point}"
        yield
    finally:
        go_on.set()
        thread.join(PATIENCE_S)
    assert errors == []
