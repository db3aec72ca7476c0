"""Tails that processes remember as ready: a token each, which goes with the tail."""

from __future__ import annotations

import secrets

import redis

from core.live import names

KEEP_S = 120  # a token; after it all ask storage again


class ReadyTokens:
    """What a process remembers of a tail is true as long as the token is the one under which it was read."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def token(self, tail_id: str) -> str:
        """Return a tail's token, a new one if there is none; take it before storage is read."""
        key = names.ready_key(tail_id)
        with self._client.pipeline() as pipe:
            pipe.set(key, secrets.token_hex(8), nx=True, ex=KEEP_S)
            pipe.get(key)
            return str(pipe.execute()[1])

    def drop(self, tail_id: str) -> None:
        """Have everybody ask storage again."""
        self._client.delete(names.ready_key(tail_id))
