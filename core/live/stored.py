"""How many bytes each owner has stored: a count that storage gives and that is thrown away now and then."""

from __future__ import annotations

from typing import cast

import redis

from core.live import names
from core.live.scripts import Scripts

KEEP_S = 3600  # what a process that died between two writes did not count is counted anew after so long
COUNTING_S = 120  # whoever counts and dies hinders the next one for so long


class StoredBytes:
    """Counts of bytes by owner; all methods raise `redis.RedisError`."""

    def __init__(self, client: redis.Redis, scripts: Scripts) -> None:
        self._client = client
        self._scripts = scripts

    def read(self, owner: str) -> tuple[int, float] | None:
        """Return an owner's bytes, and how many seconds ago storage was asked; None when nobody has counted."""
        with self._client.pipeline(transaction=False) as pipe:
            pipe.get(names.stored_key(owner))
            pipe.pttl(names.stored_key(owner))
            found, left_ms = cast("tuple[str | None, int]", tuple(pipe.execute()))
        return None if found is None else (int(found), KEEP_S - left_ms / 1000)

    def add(self, owner: str, count: int) -> None:
        """Add so many bytes to an owner's, or take them away."""
        if count:
            self._scripts.run("adjust", [names.stored_key(owner)], count)

    def begin(self, owner: str) -> bool:
        """Tell whether nobody else counts an owner's bytes now."""
        return bool(self._client.set(names.counting_key(owner), 1, nx=True, ex=COUNTING_S))

    def counted(self, owner: str, count: int) -> None:
        """Note what storage has of an owner."""
        self._client.set(names.stored_key(owner), count, ex=KEEP_S)

    def end(self, owner: str) -> None:
        """Let others count."""
        self._client.delete(names.counting_key(owner))
