"""Keeps a handful of processes running: starts them in order, restarts what dies, ends them in reverse order."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cli.watchdog import end_group

FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 30.0
STEADY_S = 60.0  # a process that ran so long starts again with the first delay


@dataclass(frozen=True)
class Service:
    """One process to keep: its command, environment, log, how long it may take to start and to end."""

    name: str
    command: list[str]
    log: Path
    env: Mapping[str, str] = field(default_factory=dict)
    grace_s: float = 10.0
    is_up: Callable[[], bool] | None = None
    start_timeout_s: float = 30.0


@dataclass
class _Child:
    service: Service
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    delay_s: float = FIRST_DELAY_S
    start_at: float = 0.0  # when a dead one is started again


class Supervisor:
    """Runs services until `stop`; `say` gets one line for each thing that happens."""

    def __init__(
        self,
        services: list[Service],
        say: Callable[[str], None],
        *,
        changed: Callable[[], None] = lambda: None,
        watchdog_fds: tuple[int, ...] = (),
        longest_delay_s: float = LONGEST_DELAY_S,
    ) -> None:
        """Plan it; `changed` is called after each change of `pids`, the watchdog keeps `watchdog_fds` open."""
        self._children = [_Child(service) for service in services]
        self._say = say
        self._changed = changed
        self._watchdog_fds = watchdog_fds
        self._longest_delay_s = longest_delay_s
        self._stopping = threading.Event()
        self._watchdog: subprocess.Popen[bytes] | None = None

    @property
    def pids(self) -> dict[str, int]:
        """The process id of every service that runs."""
        return {c.service.name: c.process.pid for c in self._children if c.process}

    def start(self) -> None:
        """Start every service in order, each one after the one before it is up. Raises RuntimeError if one is not."""
        for child in self._children:
            self._start(child)
            self._wait_until_up(child)
        self._changed()

    def run(self) -> None:
        """Restart what dies until `request_stop`."""
        while not self._stopping.wait(0.2):
            for child in self._children:
                self._look_after(child)

    def request_stop(self) -> None:
        """Make `start` and `run` return; safe in a signal handler."""
        self._stopping.set()

    @property
    def stopping(self) -> bool:
        """Whether the end was asked for."""
        return self._stopping.is_set()

    def stop(self) -> None:
        """End everything, the last started first, each with its own time to finish."""
        self._stopping.set()
        for child in reversed(self._children):
            self._end(child)
        if self._watchdog and self._watchdog.stdin:
            self._watchdog.stdin.close()
            self._watchdog.wait()

    def _start(self, child: _Child) -> None:
        service = child.service
        with service.log.open("ab") as log:
            # A session of its own: the terminal's Ctrl-C reaches only the supervisor, which then ends them in order.
            child.process = subprocess.Popen(  # noqa: S603 - our own commands
                service.command,
                env={**os.environ, **service.env},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        child.started_at = time.monotonic()
        self._tell_watchdog(f"{child.process.pid} {service.grace_s}")

    def _wait_until_up(self, child: _Child) -> None:
        service, process = child.service, child.process
        deadline = time.monotonic() + service.start_timeout_s
        while service.is_up and not service.is_up() and not self.stopping:
            if process is None or process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{service.name} did not start; see {service.log}")
            self._stopping.wait(0.05)

    def _look_after(self, child: _Child) -> None:
        now = time.monotonic()
        if child.process is None and now >= child.start_at:
            self._start(child)
            self._changed()
        elif child.process and (code := child.process.poll()) is not None:
            self._note_death(child, code, now)

    def _note_death(self, child: _Child, code: int, now: float) -> None:
        if now - child.started_at > STEADY_S:
            child.delay_s = FIRST_DELAY_S
        self._forget(child)
        child.start_at = now + child.delay_s
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        name, log = child.service.name, child.service.log
        self._say(f"{name} ended ({how}); it starts again in {child.delay_s:g} s; its log is {log}")
        child.delay_s = min(child.delay_s * 2, self._longest_delay_s)

    def _end(self, child: _Child) -> None:
        if child.process is None:
            return
        process, grace_s = child.process, child.service.grace_s
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(grace_s)
        except subprocess.TimeoutExpired:
            self._say(f"{child.service.name} did not end in {grace_s:g} s and is killed")
        self._forget(child)

    def _forget(self, child: _Child) -> None:
        """Kill what a dead process left of its group, and forget it."""
        if child.process:
            process, child.process = child.process, None
            end_group(process.pid, 0)
            process.wait()
            self._tell_watchdog(f"-{process.pid}")

    def _tell_watchdog(self, line: str) -> None:
        try:
            self._write_to_watchdog(line)
        except BrokenPipeError:  # it was killed: a new one is told of all that runs
            self._watchdog = None
            for child in self._children:
                if child.process:
                    self._write_to_watchdog(f"{child.process.pid} {child.service.grace_s}")

    def _write_to_watchdog(self, line: str) -> None:
        if self._watchdog is None:
            command = [sys.executable, "-I", str(Path(__file__).with_name("watchdog.py"))]
            self._watchdog = subprocess.Popen(  # noqa: S603 - our own file
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                pass_fds=self._watchdog_fds,
            )
        if self._watchdog.stdin:
            self._watchdog.stdin.write(f"{line}\n".encode())
            self._watchdog.stdin.flush()
