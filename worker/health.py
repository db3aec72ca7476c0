"""`python -m worker.health`: exits with 0 when this container's worker is alive according to Redis."""

from __future__ import annotations

import socket
import sys
from typing import Any

from core.clock import is_wrong
from core.config import Settings
from core.live.connection import connect
from core.live.store import LiveStore


def look(host: str) -> list[dict[str, Any]]:
    """Return what each worker of this host name told of itself within a lease."""
    workers = LiveStore(connect(Settings().redis_url)).workers.alive()
    return [worker for worker in workers if str(worker.get("id")).startswith(f"{host}-")]


def main() -> None:
    """Say what is wrong with a worker that lives, too: starting it again sets no clock right, so that is no failure."""
    alive = look(socket.gethostname())
    for worker in alive:
        if is_wrong(skew_s := float(worker.get("clock_skew_s", 0))):
            sys.stdout.write(f"{worker['id']}: its clock is {skew_s:+.1f} s off\n")
    sys.exit(not alive)


if __name__ == "__main__":
    main()
