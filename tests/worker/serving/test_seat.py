"""How a worker sees how the one before it ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from worker.serving import seat as seat_module
from worker.serving.seat import LeftBehind, NoSeat, Seat, open_seat

# A process that takes a seat, writes down what it runs, and waits to be killed.
HOLDER = """
import sys, types
from pathlib import Path
from worker.serving.seat import Seat
seat = Seat(Path(sys.argv[1]))
seat.note([types.SimpleNamespace(spec=types.SimpleNamespace(id=sys.argv[2]), number=2, token="t:1")])
print("seated", flush=True)
sys.stdin.read()
"""


def hold(folder: Path, job_id: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", HOLDER, str(folder), job_id]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"seated\n"
    return process


def kill(process: subprocess.Popen[bytes]) -> None:
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


def test_what_a_killed_process_ran_is_seen_by_the_next_one(tmp_path: Path) -> None:
    kill(hold(tmp_path, "job_a"))

    assert Seat(tmp_path).left_behind == [LeftBehind("job_a", 2, "t:1", crashed=True)]


def test_what_a_living_process_runs_is_left_alone(tmp_path: Path) -> None:
    process = hold(tmp_path, "job_a")
    try:
        seat = Seat(tmp_path)
    finally:
        kill(process)

    assert seat.left_behind == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["seat-0", "seat-1"]


def test_one_process_sees_the_end_of_all_that_died_and_the_next_sees_nothing(tmp_path: Path) -> None:
    processes = [hold(tmp_path, "job_a"), hold(tmp_path, "job_b")]
    for process in processes:
        kill(process)

    first = Seat(tmp_path)

    assert {left.job_id for left in first.left_behind} == {"job_a", "job_b"}
    assert Seat(tmp_path).left_behind == []


def test_what_went_down_with_its_machine_did_not_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kill(hold(tmp_path, "job_a"))
    monkeypatch.setattr(seat_module, "_boot_id", lambda: "another boot")

    assert [left.crashed for left in Seat(tmp_path).left_behind] == [False]


def test_a_worker_that_ended_well_leaves_nothing(tmp_path: Path) -> None:
    seat: Any = Seat(tmp_path)
    seat.note([])
    os.close(seat._file)

    assert Seat(tmp_path).left_behind == []


@pytest.mark.parametrize("written", [b"", b"{", b"[]", json.dumps({"running": [1]}).encode()])
def test_what_cannot_be_read_is_nothing(tmp_path: Path, written: bytes) -> None:
    (tmp_path / "seat-0").write_bytes(written)

    assert Seat(tmp_path).left_behind == []


def test_a_worker_without_a_place_for_its_file_does_without(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    assert isinstance(open_seat(tmp_path / "file" / "seats"), NoSeat)


def test_a_long_list_is_replaced_by_a_short_one(tmp_path: Path) -> None:
    seat = Seat(tmp_path)
    attempts: list[Any] = [_Named(f"job_{n}") for n in range(50)]
    seat.note(attempts)
    seat.note(attempts[:1])

    assert len(json.loads((tmp_path / "seat-0").read_bytes())["running"]) == 1


class _Named:
    """An attempt as far as a seat looks at it."""

    def __init__(self, job_id: str) -> None:
        self.spec, self.number, self.token = self, 1, "t"
        self.id = job_id
