"""How many bytes each owner has stored: a count that storage gives and that is thrown away now and then."""

from __future__ import annotations

import secrets
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
            self._scripts.run("adjust", [names.stored_key(owner), names.counting_key(owner)], count)

    def give_back(self, owner: str, job_id: str, count: int) -> None:
        """Take away the bytes of a job that is deleted: once, however many delete it at the same time."""
        if self._client.set(names.given_back_key(job_id), 1, nx=True, ex=KEEP_S):
            self.add(owner, -count)

    def begin(self, owner: str) -> str | None:
        """Return a token for who counts an owner's bytes anew, or None while somebody else does."""
        token = secrets.token_hex(8)
        return token if self._count(owner, token, "") else None

    def end(self, owner: str, token: str, count: int | None) -> None:
        """Note what storage has of an owner, or None when it was not counted to the end, and let others count."""
        self._count(owner, token, "" if count is None else count)

    def _count(self, owner: str, token: str, count: int | str) -> bool:
        keys = [names.stored_key(owner), names.counting_key(owner)]
        return bool(self._scripts.run("count", keys, token, COUNTING_S, count, KEEP_S))
