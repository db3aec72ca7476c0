"""`tailor up`: its lock, its port, and what it does about a predecessor that was killed."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from cli.up import UpError, claim_port, locked
from tests.support.programs import started

HOLDER = """
import sys
from pathlib import Path
from cli.supervisor import Service, Supervisor
from cli.up import locked
data = Path({data!r})
slow = "import signal, time; signal.signal(15, lambda *_: (time.sleep(1), exit())); print('up', flush=True)"
log = data / "slow.log"
with locked(data, print) as lock:
    service = Service("slow", [sys.executable, "-c", slow + "; time.sleep(600)"], log, is_up=log.read_text)
    supervisor = Supervisor([service], print, watchdog_fds=(lock,))
    supervisor.start()
    print(supervisor.pids["slow"], flush=True)
    supervisor.run()
"""


def holder(data: Path) -> AbstractContextManager[subprocess.Popen[str]]:
    """A supervisor in a process of its own that holds the folder and runs one process that ends slowly."""
    return started("-c", HOLDER.format(data=str(data)))


def note(data: Path, pid: int) -> None:
    (data / "server.json").write_text(json.dumps({"url": "http://127.0.0.1:1234", "pid": pid}))


def test_a_second_one_on_the_same_folder_is_told_where_the_first_one_is(tmp_path: Path) -> None:
    with holder(tmp_path) as first:
        assert first.stdout
        first.stdout.readline()
        note(tmp_path, first.pid)
        with (
            pytest.raises(UpError, match=rf"already runs on .* at http://127.0.0.1:1234 \(pid {first.pid}\)"),
            locked(tmp_path, print),
        ):
            pass
        first.kill()


def test_after_a_kill_the_next_one_waits_until_the_old_processes_have_ended(tmp_path: Path) -> None:
    said: list[str] = []
    with holder(tmp_path) as first:
        assert first.stdout
        pid = int(first.stdout.readline())
        note(tmp_path, first.pid)
        first.kill()
    with locked(tmp_path, said.append), pytest.raises(ProcessLookupError):
        os.killpg(pid, 0)
    assert said == [f"waiting for the end of what a killed tailor up (pid {first.pid}) has left running"]


def test_a_port_in_use_is_said_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UpError, match=f"can't listen on 127.0.0.1 port {port}: Address already in use"):
            claim_port("127.0.0.1", port)


def test_port_0_is_a_free_port() -> None:
    assert 1024 <= claim_port("127.0.0.1", 0) <= 65535
