"""How long storage takes: every request to a store, timed by what it does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock

from core.storage.base import ObjectInfo, Storage

Listener = Callable[[str, float, bool], None]
"""Hears of an operation's name, its seconds and whether it had an answer."""


@dataclass
class OperationStats:
    """Requests of one operation: how many, how many of them failed, and in how many seconds."""

    requests: int = 0
    failed: int = 0
    seconds: float = 0.0


class StorageMeter:
    """Sums by operation, and whoever wants to hear of each request. Safe in any thread."""

    def __init__(self) -> None:
        self._stats: dict[str, OperationStats] = {}
        self._listeners: list[Listener] = []
        self._lock = Lock()

    def listen(self, listener: Listener) -> None:
        """Tell somebody of each request from now on."""
        self._listeners.append(listener)

    def read(self) -> dict[str, OperationStats]:
        """Return a copy of the sums by operation."""
        with self._lock:
            return {name: OperationStats(one.requests, one.failed, one.seconds) for name, one in self._stats.items()}

    @contextmanager
    def timed(self, operation: str) -> Iterator[None]:
        """Note the block as one request; what is not there is an answer, too."""
        began, answered = time.perf_counter(), True
        try:
            yield
        except KeyError:  # ObjectMissingError
            raise
        except Exception:
            answered = False
            raise
        finally:
            self._note(operation, time.perf_counter() - began, answered)

    def _note(self, operation: str, seconds: float, answered: bool) -> None:
        with self._lock:
            stats = self._stats.setdefault(operation, OperationStats())
            stats.requests += 1
            stats.failed += not answered
            stats.seconds += seconds
        for listener in self._listeners:
            listener(operation, seconds, answered)


class MeasuredStorage:
    """A store whose requests are timed; a listing is until its first object, as what follows is its reader's time."""

    def __init__(self, store: Storage, meter: StorageMeter) -> None:
        self._store = store
        self._meter = meter

    def put(self, key: str, data: bytes, content_type: str = "application/octet-stream") -> None:
        """Write or overwrite an object."""
        with self._meter.timed("put"):
            self._store.put(key, data, content_type)

    def create(self, key: str, data: bytes, content_type: str = "application/octet-stream") -> bool:
        """Write an object only if there is none."""
        with self._meter.timed("create"):
            return self._store.create(key, data, content_type)

    def get(self, key: str) -> bytes:
        """Return an object's bytes."""
        with self._meter.timed("get"):
            return self._store.get(key)

    def head(self, key: str) -> ObjectInfo | None:
        """Return what is known about an object."""
        with self._meter.timed("head"):
            return self._store.head(key)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yield the objects under a prefix."""
        return self._timed_to_the_first(self._store.list(prefix))

    def scan(self, prefix: str, *, after: str = "") -> Iterator[ObjectInfo]:
        """Yield the objects under a prefix that come after a key."""
        return self._timed_to_the_first(self._store.scan(prefix, after=after))

    def _timed_to_the_first(self, found: Iterator[ObjectInfo]) -> Iterator[ObjectInfo]:
        with self._meter.timed("list"):
            first = next(found, None)
        if first is not None:
            yield first
            yield from found

    def delete(self, key: str) -> None:
        """Delete an object."""
        with self._meter.timed("delete"):
            self._store.delete(key)

    def delete_prefix(self, prefix: str) -> int:
        """Delete everything under a prefix."""
        with self._meter.timed("delete"):
            return self._store.delete_prefix(prefix)

    def url(self, key: str, *, expires_s: int, filename: str, content_type: str) -> str:
        """Return a signed URL; no store is asked for it."""
        return self._store.url(key, expires_s=expires_s, filename=filename, content_type=content_type)

    def probe(self) -> None:
        """Prove that create-only writes have exactly one winner."""
        self._store.probe()
