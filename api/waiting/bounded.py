"""Questions to Redis that may cost a second at most."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

from redis.exceptions import RedisError

LIMIT_S = 1.0
AWAY = (RedisError, OSError)  # what a question raises while Redis is away; a timeout is an OSError


async def bounded(question: Awaitable[Any]) -> Any:
    """Return Redis' answer; raises one of AWAY, TimeoutError among them.

    redis-py types its commands for both its clients at once, so the caller says what the answer is.
    """
    return await asyncio.wait_for(question, LIMIT_S)
