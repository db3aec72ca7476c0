"""What no FastAPI service can be faster than: an endpoint that reads one hash from Redis (`TAILOR_REDIS_URL`)."""

from __future__ import annotations

import os
from typing import Any

from fastapi import FastAPI
from redis.asyncio import Redis

app = FastAPI()
redis = Redis.from_url(os.environ["TAILOR_REDIS_URL"], decode_responses=True)


@app.get("/one/{name}")
async def one(name: str) -> dict[Any, Any]:
    """Return a hash as JSON."""
    return await redis.hgetall(f"bench:{name}")
