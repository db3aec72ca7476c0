"""Counts requests to storage, over all processes of a fleet."""

from __future__ import annotations

import mmap
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.storage import Storage

PAGE = 1000  # objects that S3 lists with one request
MOST_PROCESSES = 512
_NUMBER = struct.Struct("<q")


class Counts:
    """One number for each process, in a file that all of them have mapped; each writes only its own."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(_NUMBER.size * MOST_PROCESSES))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)
        self._lock = threading.Lock()

    def add(self, process: int, more: int) -> None:
        """Raise a process' number."""
        at = process * _NUMBER.size
        with self._lock:
            _NUMBER.pack_into(self._map, at, _NUMBER.unpack_from(self._map, at)[0] + more)

    def total(self) -> int:
        """Return the sum over all processes."""
        return sum(number for (number,) in _NUMBER.iter_unpack(self._map[:]))


class CountingStorage:
    """Passes every call on to a storage and counts it; a list counts once for each page that S3 would send."""

    def __init__(self, storage: Storage, counts: Counts, process: int) -> None:
        self._storage, self._counts, self._process = storage, counts, process

    def __getattr__(self, method: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            result = getattr(self._storage, method)(*args, **kwargs)
            if method == "list":
                result = list(result)
                self._counts.add(self._process, len(result) // PAGE)
            self._counts.add(self._process, method != "url")
            return iter(result) if method == "list" else result

        return call
