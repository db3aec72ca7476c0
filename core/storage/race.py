"""What is proven and asked at start-up: that create-only writes have exactly one winner, and a store's time."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from uuid import uuid4

from core.storage.base import Storage

WRITERS = 8


def race_for_one_key(storage: Storage) -> None:
    """Let 8 threads create one key; raises RuntimeError unless one wins and the stored bytes are the winner's."""
    key = f"probe/{uuid4().hex}"
    barrier = Barrier(WRITERS)

    def write(writer: int) -> bool:
        barrier.wait()
        return storage.create(key, b"%d" % writer)

    try:
        with ThreadPoolExecutor(WRITERS) as pool:
            won = list(pool.map(write, range(WRITERS)))
        winners = [b"%d" % writer for writer, has_won in enumerate(won) if has_won]
        if winners != [storage.get(key)]:
            raise RuntimeError(f"create-only writes don't work on this store: {len(winners)} of {WRITERS} writers won")
    finally:
        storage.delete(key)


def storage_time_s(storage: Storage) -> float:
    """Return the store's own time in seconds since 1970, from the time of a write."""
    key = f"probe/{uuid4().hex}"
    storage.put(key, b"")
    try:
        found = storage.head(key)
    finally:
        storage.delete(key)
    return found.modified.timestamp() if found else time.time()
