"""Exits with 0 when this container's worker has a beating heart in Redis: what a health check runs."""

import socket
import sys

from core.config import Settings
from core.live.connection import connect
from core.live.store import LiveStore

host = socket.gethostname()
workers = LiveStore(connect(Settings().redis_url)).workers.alive()
sys.exit(not any(str(worker.get("id")).startswith(f"{host}-") for worker in workers))
