"""Clients of Redis, and what is asked of the server itself."""

from __future__ import annotations

import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.retry import Retry

ASYNC_CONNECTIONS = 32


def connect(url: str) -> redis.Redis:
    """Return a lazy client whose calls fail within about a second when Redis is away."""
    bounds = {"socket_connect_timeout": 1.0, "socket_timeout": 1.0, "retry": Retry(NoBackoff(), 0)}
    return redis.Redis.from_url(url, decode_responses=True, health_check_interval=10, **bounds)


def connect_async(url: str) -> redis.asyncio.Redis:
    """Return the asyncio client for the API's one reader and for all who wait: they share some connections in turn."""
    pool = redis.asyncio.BlockingConnectionPool.from_url(
        url,
        max_connections=ASYNC_CONNECTIONS,
        timeout=None,  # who asks says how long an answer may take, the wait for a connection included
        decode_responses=True,
        health_check_interval=10,
        socket_connect_timeout=5,
    )
    return redis.asyncio.Redis.from_pool(pool)


def eviction_policy(client: redis.Redis) -> str:
    """Return what Redis does when its memory is full; anything but `noeviction` forgets jobs and leases."""
    return str(client.info("memory").get("maxmemory_policy", "unknown"))
