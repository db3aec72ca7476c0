"""Clients of Redis, and what is asked of the server itself."""

from __future__ import annotations

import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.retry import Retry


def connect(url: str) -> redis.Redis:
    """Return a lazy client whose calls fail within about a second when Redis is away."""
    bounds = {"socket_connect_timeout": 1.0, "socket_timeout": 1.0, "retry": Retry(NoBackoff(), 0)}
    return redis.Redis.from_url(url, decode_responses=True, health_check_interval=10, **bounds)


def connect_async(url: str) -> redis.asyncio.Redis:
    """Return the asyncio client for the API's one reader."""
    return redis.asyncio.Redis.from_url(url, decode_responses=True, health_check_interval=10, socket_connect_timeout=1)


def eviction_policy(client: redis.Redis) -> str:
    """Return what Redis does when its memory is full; anything but `noeviction` forgets jobs and leases."""
    return str(client.info("memory").get("maxmemory_policy", "unknown"))
