"""`python -m worker.health`: exits with 0 when this container's worker is alive according to Redis."""

from __future__ import annotations

import socket
import sys

from core.config import Settings
from core.live.connection import connect
from core.live.store import LiveStore


def is_alive(host: str) -> bool:
    """Return whether a worker of this host name told within a lease that it is alive."""
    workers = LiveStore(connect(Settings().redis_url)).workers.alive()
    return any(str(worker.get("id")).startswith(f"{host}-") for worker in workers)


if __name__ == "__main__":
    sys.exit(not is_alive(socket.gethostname()))
