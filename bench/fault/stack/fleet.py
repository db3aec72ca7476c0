"""All of Tailor as a small fleet: Redis, storage, two workers and two APIs under a supervisor."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from bench.fault.stack.deadly_worker import VARIABLE
from bench.fault.stack.servers import HOST, FolderStore, RedisServer, S3Store
from cli.supervisor import Service, Supervisor
from cli.up import claim_port
from core.config import REPOSITORY

WORKERS = ("worker-1", "worker-2")
APIS = ("api-1", "api-2")
DEADLY_PROMPT = "a dog that ends its worker"
LONGEST_DELAY_S = 1.0  # what is killed so often on purpose need not wait longer and longer
LEASE_S = 15.0
QUICK_LEASE_S = 3.0
QUICK = {"TAILOR_LEASE_S": "3", "TAILOR_RENEW_S": "0.5", "TAILOR_RECONCILE_S": "0.5", "TAILOR_CHECKPOINT_S": "0.5"}
READY_LINE = "model.published"  # in a worker's log, once it can work


@dataclass(frozen=True)
class Life:
    """One process of a service: from when to when it lived (seconds since the epoch)."""

    name: str
    pid: int
    began: float
    ended: float | None = None


@dataclass
class _Lives:
    """The processes so far, by service."""

    all: dict[str, list[Life]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, name: str, pid: int) -> None:
        with self.lock:
            known = self.all.setdefault(name, [])
            if not known or known[-1].pid != pid:
                known.append(Life(name, pid, time.time()))

    def end(self, name: str) -> None:
        with self.lock:
            known = self.all.get(name)
            if known and known[-1].ended is None:
                known[-1] = Life(name, known[-1].pid, known[-1].began, time.time())


class Fleet:
    """Two APIs and two workers on a Redis and a storage, each behind a proxy; what dies is started again."""

    def __init__(self, data: Path, store: FolderStore | S3Store, *, quick: bool) -> None:
        self.store = store
        self.lease_s = QUICK_LEASE_S if quick else LEASE_S
        self.redis = RedisServer(data / "redis")
        self.proxies = [self.redis.proxy, *([store.proxy] if isinstance(store, S3Store) else [])]
        for proxy in self.proxies:
            proxy.start()
        self._logs = data / "logs"
        self._logs.mkdir(parents=True, exist_ok=True)
        self.extra: dict[str, dict[str, str]] = {}  # a service's variables from its next start on
        ports = [claim_port(HOST, 0) for _ in APIS]
        self.urls = [f"http://{HOST}:{port}" for port in ports]
        self._lives = _Lives()
        self._log_ends: dict[str, int] = {}  # how long a service's log was when its last process died
        services = [self.redis.service(self._logs), *self._of_storage(), *self._of_tailor(ports, quick=quick)]
        self._supervisor = Supervisor(services, self._heard, changed=self._note, longest_delay_s=LONGEST_DELAY_S)
        self._thread = threading.Thread(target=self._supervisor.run, name="supervisor", daemon=True)

    def start(self) -> None:
        """Start everything; RuntimeError when a server does not come up."""
        self._supervisor.start()
        self._thread.start()

    def stop(self) -> None:
        """End everything that was started, whatever state it is in."""
        self._supervisor.request_stop()
        if self._thread.is_alive():
            self._thread.join()
        for pid in self._supervisor.pids.values():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        self._supervisor.stop()
        for proxy in self.proxies:
            proxy.stop()
        self.redis.remove()
        if isinstance(self.store, S3Store):
            self.store.remove()

    def pid(self, name: str) -> int | None:
        """Return a service's process id, None while it is down."""
        return self._supervisor.pids.get(name)

    def signal(self, name: str, number: signal.Signals) -> int:
        """Send a signal to a service; returns its process id, 0 when it is down."""
        pid = self.pid(name) or 0
        if pid:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        return pid

    def lives(self, name: str) -> list[Life]:
        """Return every process that a service has had, the last one with `ended` None while it lives."""
        with self._lives.lock:
            return list(self._lives.all.get(name, []))

    def is_ready(self, worker: str) -> bool:
        """Tell whether a worker's present process has loaded its models."""
        if self.pid(worker) is None:
            return False
        with (self._logs / f"{worker}.log").open("rb") as file:
            file.seek(self._log_ends.get(worker, 0))
            return READY_LINE.encode() in file.read()

    def _note(self) -> None:
        for name, pid in self._supervisor.pids.items():
            self._lives.begin(name, pid)

    def _heard(self, line: str) -> None:
        name = line.split(" ", 1)[0]
        self._lives.end(name)
        self._log_ends[name] = (self._logs / f"{name}.log").stat().st_size

    def _of_storage(self) -> list[Service]:
        return [self.store.service(self._logs)] if isinstance(self.store, S3Store) else []

    def _of_tailor(self, ports: list[int], *, quick: bool) -> list[Service]:
        common = {
            "TAILOR_REDIS_URL": self.redis.url,
            "TAILOR_THREADS": "1",
            "OMP_WAIT_POLICY": "passive",
            "PYTHONUNBUFFERED": "1",
            "PYTHONPATH": str(REPOSITORY),
            VARIABLE: DEADLY_PROMPT,
            **self.store.environment(),
            **(QUICK if quick else {}),
        }
        worker = [sys.executable, "-m", "bench.fault.stack.deadly_worker"]
        api = [
            sys.executable,
            "-m",
            "uvicorn",
            "api.app:app",
            "--http",
            "api.connections:Connection",
            "--host",
            HOST,
            "--no-access-log",
            "--port",
        ]
        commands = dict.fromkeys(WORKERS, worker) | {
            name: [*api, str(port)] for name, port in zip(APIS, ports, strict=True)
        }
        return [
            Service(name, command, self._logs / f"{name}.log", self._environment(name, common), grace_s=30)
            for name, command in commands.items()
        ]

    def _environment(self, name: str, common: dict[str, str]) -> dict[str, str]:
        """Return a dictionary that stays ours: the supervisor reads it at every start."""
        self.extra[name] = dict(common)
        return self.extra[name]
