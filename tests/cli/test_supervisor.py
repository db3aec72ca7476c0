"""The supervisor with real processes: a real Redis, and small Python programs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cli.embedded import EmbeddedRedis
from cli.supervisor import Service, Supervisor
from tests.support.programs import started

SLEEPER = "import time; print('here', flush=True); time.sleep(600)"
# Says that it was asked to end, and when it has: the order of two such lines is the order of the ends.
ORDERLY = """
import signal, sys, time
def end(*_):
    open({log!r}, 'a').write({name!r} + '\\n')
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
open({log!r} + {name!r}, 'w').close()
time.sleep(600)
"""


def python(name: str, folder: Path, source: str, *, up_when: Path | None = None) -> Service:
    """A service that runs a Python program."""
    is_up = up_when.exists if up_when else None
    return Service(name, [sys.executable, "-c", source], folder / f"{name}.log", is_up=is_up)


def wait_for(condition: Callable[[], object], what: str) -> None:
    """Wait until the condition holds; processes that end tell nobody but their parent."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, f"waited 30 s for {what}"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    shown = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    state = shown.stdout.strip()
    return bool(state) and not state.startswith("Z")


@contextmanager
def supervised(services: list[Service]) -> Iterator[tuple[Supervisor, list[str]]]:
    """Run services until the block ends."""
    said: list[str] = []
    supervisor = Supervisor(services, said.append)
    supervisor.start()
    thread = threading.Thread(target=supervisor.run)
    thread.start()
    try:
        yield supervisor, said
    finally:
        supervisor.request_stop()
        thread.join()
        supervisor.stop()


def test_a_killed_process_is_started_again_and_the_supervisor_says_so(tmp_path: Path) -> None:
    with supervised([python("sleeper", tmp_path, SLEEPER)]) as (supervisor, said):
        first = supervisor.pids["sleeper"]
        os.kill(first, signal.SIGKILL)
        wait_for(lambda: supervisor.pids.get("sleeper", first) != first, "another process")
        assert is_alive(supervisor.pids["sleeper"])
    assert len(said) == 1
    assert "sleeper ended (signal SIGKILL); it starts again in 0.5 s" in said[0]


def test_a_process_that_keeps_dying_is_started_again_more_and_more_slowly(tmp_path: Path) -> None:
    with supervised([python("broken", tmp_path, "raise SystemExit(3)")]) as (_, said):
        wait_for(lambda: len(said) >= 3, "three deaths")
    assert ["exit code 3" in line for line in said[:3]] == [True] * 3
    assert [line.split(" again in ")[1].split(" s;")[0] for line in said[:3]] == ["0.5", "1", "2"]


def test_stopping_ends_the_last_started_first_and_leaves_no_process(tmp_path: Path) -> None:
    log = str(tmp_path / "order")
    names = ["redis", "worker", "api"]
    services = [python(n, tmp_path, ORDERLY.format(log=log, name=n), up_when=Path(log + n)) for n in names]
    with supervised(services) as (supervisor, _):
        pids = supervisor.pids
    assert Path(log).read_text().split() == ["api", "worker", "redis"]
    assert [name for name, pid in pids.items() if is_alive(pid)] == []


def test_a_process_that_ignores_sigterm_is_killed_when_its_time_is_over(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    deaf = f"import signal, time; signal.signal(15, signal.SIG_IGN); open({str(ready)!r}, 'w'); time.sleep(600)"
    service = Service("deaf", [sys.executable, "-c", deaf], tmp_path / "deaf.log", grace_s=0.2, is_up=ready.exists)
    with supervised([service]) as (supervisor, said):
        pid = supervisor.pids["deaf"]
    assert not is_alive(pid)
    assert said == ["deaf did not end in 0.2 s and is killed"]


def test_a_process_that_does_not_come_up_is_an_error_that_names_its_log(tmp_path: Path) -> None:
    service = python("broken", tmp_path, "raise SystemExit(3)", up_when=tmp_path / "never")
    supervisor = Supervisor([service], lambda _: None)
    with pytest.raises(RuntimeError, match=r"broken did not start; see .*broken\.log"):
        supervisor.start()
    supervisor.stop()


def test_children_of_a_supervisor_that_was_killed_end_in_order(tmp_path: Path) -> None:
    log = str(tmp_path / "order")
    program = f"""
import sys
from pathlib import Path
from cli.supervisor import Service, Supervisor
source, log = {ORDERLY!r}, {log!r}
services = [
    Service(n, [sys.executable, "-c", source.format(log=log, name=n)], Path(log + ".log"), is_up=Path(log + n).exists)
    for n in ("redis", "worker")
]
supervisor = Supervisor(services, lambda _: None)
supervisor.start()
print(*supervisor.pids.values(), flush=True)
supervisor.run()
"""
    with started("-c", program) as parent:
        assert parent.stdout
        pids = [int(word) for word in parent.stdout.readline().split()]
        assert [is_alive(pid) for pid in pids] == [True, True]
        parent.kill()
    wait_for(lambda: not any(is_alive(pid) for pid in pids), "the children's end")
    assert Path(log).read_text().split() == ["worker", "redis"]


def test_a_killed_watchdog_is_replaced_and_knows_all_processes(tmp_path: Path) -> None:
    with supervised([python("a", tmp_path, SLEEPER), python("b", tmp_path, SLEEPER)]) as (supervisor, _):
        watchdog = supervisor._watchdog
        assert watchdog
        watchdog.kill()
        watchdog.wait()
        first = supervisor.pids["a"]
        os.kill(first, signal.SIGKILL)
        wait_for(lambda: supervisor.pids.get("a", first) != first, "another process")
        assert supervisor._watchdog is not watchdog


def test_the_embedded_redis_keeps_what_it_was_told_over_a_kill(tmp_path: Path) -> None:
    redis = EmbeddedRedis.in_folder(tmp_path / "redis")
    service = Service("redis", redis.command, tmp_path / "redis.log", is_up=redis.answers)
    with supervised([service]) as (supervisor, _), redis.client() as client:
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        client.set("a", "b")
        # One fsync a second: what is written when this command answers is on the disk.
        assert client.waitaof(1, 0, 5000)[0] == 1
        first = supervisor.pids["redis"]
        os.kill(first, signal.SIGKILL)
        wait_for(lambda: supervisor.pids.get("redis", first) != first and redis.answers(), "Redis")
        assert client.get("a") == "b"
    redis.remove_socket()


def test_the_socket_of_a_redis_in_a_deep_folder_lies_in_a_temporary_one(tmp_path: Path) -> None:
    deep = tmp_path / ("deep" * 30)
    redis = EmbeddedRedis.in_folder(deep)
    try:
        assert redis.folder == deep
        assert len(str(redis.socket).encode()) <= 100
    finally:
        redis.remove_socket()
    assert not redis.socket.parent.exists()
