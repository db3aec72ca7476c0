"""`tailor up`: Redis, workers and the API on this machine, kept running, with all their data in one folder."""

from __future__ import annotations

import fcntl
import ipaddress
import json
import math
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pydantic import ValidationError

from cli.embedded import EmbeddedRedis
from cli.logs import LogFollower
from cli.machine.gpus import usable_gpus
from cli.machine.placement import Placement, placements
from cli.parts import require_worker
from cli.results import FolderError, writable
from cli.supervisor import Service, Supervisor
from core.config import Settings
from core.cpus import usable_cpus
from core.shipped import CODE
from tailor_client import Tailor, TailorError
from tailor_client.retries import NEVER

SERVER_FILE = "server.json"
ORPHANS_S = 90  # longer than all services together are given to end
Say = Callable[[str], None]


@dataclass(frozen=True)
class UpOptions:
    """What `tailor up` is told; port 0 means a free one."""

    data: Path
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int | None = 1  # None: one a GPU


class UpError(Exception):
    """It can't come up; the message says why in one line."""


class Stack:
    """One running set of Redis, workers and API."""

    def __init__(self, options: UpOptions, lock: int, say: Say, show_log: Callable[[str, str], None]) -> None:
        """Plan the processes. Raises UpError when the port is taken or there is no Redis.

        `lock` is the data folder's locked file: the watchdog holds it too, so it is free only when nothing runs.
        """
        self.data = options.data
        port = claim_port(options.host, options.port)
        self.url = f"http://{_in_url(options.host)}:{port}"
        try:
            self._redis = EmbeddedRedis.in_folder(self.data / "redis")
        except RuntimeError as error:
            raise UpError(str(error)) from error
        self._options = options
        self._placements = _placements(options.workers)
        for n, placement in enumerate(self._placements, start=1):
            if placement.gpu:
                say(f"worker-{n} gets {placement.memory_share:.0%} of GPU {placement.gpu}")
        self._require_keys = _require_keys(options.host)
        services = self._services(port)
        self._logs = LogFollower(show_log)
        for service in services:
            self._logs.add(service.name, service.log)
        self.supervisor = Supervisor(services, say, changed=self._write_server_file, watchdog_fds=(lock,))

    @property
    def needs_keys(self) -> bool:
        """Whether everybody needs an API key."""
        return self._require_keys == "always"

    def start(self) -> None:
        """Start all processes. Raises UpError when one ends at once."""
        if self._redis.answers():
            raise UpError(f"a Redis that nobody looks after still runs on {self._redis.socket}: end it first")
        self._redis.socket.unlink(missing_ok=True)
        self._logs.start()
        try:
            self.supervisor.start()
        except RuntimeError as error:
            raise UpError(str(error)) from error

    def stop(self) -> None:
        """End all processes, Redis last."""
        self.supervisor.stop()
        self._redis.remove_socket()
        (self.data / SERVER_FILE).unlink(missing_ok=True)
        self._logs.stop()

    def wait_until_ready(self, deadline: float = math.inf) -> bool:
        """Wait until storage, Redis and a worker answer and a model can be used; False when the end comes first.

        `deadline` is a time of the monotonic clock.
        """
        with Tailor(self.url, retries=NEVER) as client:
            while not self.supervisor.stopping and time.monotonic() < deadline:
                if _is_ready(client):
                    return True
                time.sleep(0.5)
        return False

    def _services(self, port: int) -> list[Service]:
        env = {
            "TAILOR_REDIS_URL": self._redis.url,
            "TAILOR_STORAGE": os.environ.get("TAILOR_STORAGE", str(self.data / "storage")),
            "PYTHONUNBUFFERED": "1",
            # Who listens beyond this machine lets in who has a key.
            "TAILOR_REQUIRE_KEYS": self._require_keys,
            # Torch's threads sleep while they wait: spinning ones take the cores from the API and from each other.
            "OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", "passive"),
        }
        logs = self.data / "logs"
        # -P, and uvicorn's --app-dir: our packages are the ones that lie beside this one, never folders of the same
        # names where this was typed.
        python = [sys.executable, "-P", "-m"]
        uvicorn = ["uvicorn", "--app-dir", str(CODE), "api.app:app", "--http", "api.connections:Connection"]
        at = ["--host", self._options.host, "--port", str(port)]
        api = [*python, *uvicorn, *at, "--timeout-graceful-shutdown", "5", "--no-access-log"]
        worker = [*python, "worker"]
        return [
            Service("redis", self._redis.command, logs / "redis.log", is_up=self._redis.answers, start_timeout_s=120),
            *(
                Service(f"worker-{n}", worker, logs / f"worker-{n}.log", env | placement.environment, grace_s=30)
                for n, placement in enumerate(self._placements, start=1)
            ),
            Service("api", api, logs / "api.log", env),
        ]

    def _write_server_file(self) -> None:
        written = {"url": self.url, "pid": os.getpid(), "redis_url": self._redis.url, "pids": self.supervisor.pids}
        temporary = self.data / f".{SERVER_FILE}"
        temporary.write_text(json.dumps(written, indent=2) + "\n")
        temporary.replace(self.data / SERVER_FILE)


@contextmanager
def locked(data: Path, say: Say) -> Iterator[int]:
    """Hold a data folder for this process and its watchdog; yields the lock's file descriptor.

    The processes of a `tailor up` that was killed are waited for. Raises UpError when another one runs.
    """
    with _lock_file(data) as file:
        if not _try_lock(file):
            _wait_for_orphans(data, file, say)
        yield file.fileno()


def _lock_file(data: Path) -> IO[str]:
    try:
        return (writable(data) / "up.lock").open("w")
    except (FolderError, OSError) as error:
        raise UpError(f"the folder of all data can't be used: {error}") from None


def _placements(workers: int | None) -> list[Placement]:
    try:
        settings = Settings()
    except ValidationError as error:
        first = error.errors()[0]
        raise UpError(f"TAILOR_{'_'.join(map(str, first['loc'])).upper()}: {first['msg']}") from None
    return placements(settings, usable_gpus(), usable_cpus(), workers)


def _try_lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _wait_for_orphans(data: Path, file: IO[str], say: Say) -> None:
    server = read_server_file(data) or {}
    pid = server.get("pid")
    if not isinstance(pid, int) or _is_alive(pid):
        where = f" at {server['url']} (pid {pid})" if server else ""
        raise UpError(f"another tailor up already runs on {data}{where}")
    say(f"waiting for the end of what a killed tailor up (pid {pid}) has left running")
    deadline = time.monotonic() + ORPHANS_S
    while not _try_lock(file):
        if time.monotonic() > deadline:
            raise UpError(f"processes of a killed tailor up still run on {data} after {ORPHANS_S} s")
        time.sleep(0.1)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def read_server_file(data: Path) -> dict[str, object] | None:
    """Return what the `tailor up` of a data folder wrote about itself, None if there is none."""
    try:
        read = json.loads((data / SERVER_FILE).read_text())
    except (OSError, ValueError):
        return None
    return read if isinstance(read, dict) else None


def claim_port(host: str, port: int) -> int:
    """Return the port, or a free one for 0. Raises UpError when it can't be listened on."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            return int(probe.getsockname()[1])
    except OSError as error:
        raise UpError(
            f"can't listen on {host} port {port}: {error.strerror}; choose another --port (0: a free one)"
        ) from None


def run_until_stopped(options: UpOptions, say: Say, show_log: Callable[[str, str], None]) -> None:
    """Bring everything up and keep it up until SIGINT, SIGTERM or SIGHUP. Raises UpError or MissingPartError."""
    require_worker()
    with locked(options.data, say) as lock:
        stack = Stack(options, lock, say, show_log)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: stack.supervisor.request_stop())
        try:
            stack.start()
            threading.Thread(target=_announce, args=(stack, say), daemon=True).start()
            stack.supervisor.run()
            say("ending: the API, the workers (they save their jobs), Redis")
        finally:
            stack.stop()


def _is_ready(client: Tailor) -> bool:
    """Tell whether jobs can be sent and will be worked on."""
    try:
        report = client.readiness()
    except TailorError:
        return False
    return bool(report["ready"]) and report.get("workers", 1) != 0 and bool(report.get("models"))


def _announce(stack: Stack, say: Say) -> None:
    if stack.wait_until_ready():
        say(f"ready: {stack.url}, what it can do: {stack.url}/docs")
        if stack.needs_keys:
            say(f"whoever uses it needs an API key: tailor keys create NAME --data {stack.data}")


def _require_keys(host: str) -> str:
    if (wanted := Settings().require_keys) != "auto":
        return wanted
    try:
        local = all(ipaddress.ip_address(found[4][0]).is_loopback for found in socket.getaddrinfo(host, None))
    except OSError:
        local = False
    return "auto" if local else "always"


def _in_url(host: str) -> str:
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    return f"[{reachable}]" if ":" in reachable else reachable
