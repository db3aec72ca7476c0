"""What stands in for engine and storage in a fleet that only sleeps."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.fleet_load.counting import CountingStorage, Counts
from bench.fleet_load.sleeping import SleepingEngine, seconds_of, sleeping_job_id
from core.jobs.ids import is_job_id
from core.storage import open_storage
from worker.engine import HandedBackError, JobCanceledError


def routine():  # type: ignore[no-untyped-def]
    yield


def test_a_job_sleeps_as_its_id_says() -> None:
    job_id = sleeping_job_id(0.02)
    assert is_job_id(job_id)
    assert seconds_of(job_id) == 0.02

    engine = SleepingEngine()
    engine.start()
    ticket = engine.submit(routine(), kind="edit", name=job_id)

    assert len(ticket.result(10)) == 1
    assert [report.step for report in ticket.reports()][:1] == [0]


def test_a_sleeper_can_be_canceled_and_handed_back() -> None:
    engine = SleepingEngine()
    engine.start()
    canceled, handed_back = (engine.submit(routine(), kind="edit", name=sleeping_job_id(99)) for _ in range(2))

    canceled.cancel()
    with pytest.raises(JobCanceledError):
        canceled.result(10)
    engine.stop()

    with pytest.raises(HandedBackError):
        handed_back.result(10)


def test_requests_of_all_processes_are_counted(tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path / "storage"), secret=b"")
    counts = Counts(tmp_path / "counts")
    here, there = (CountingStorage(storage, Counts(tmp_path / "counts"), process) for process in (0, 7))

    here.put("a/b", b"")
    there.create("a/c", b"")
    assert [info.key for info in there.list("a/")] == ["a/b", "a/c"]
    there.url("a/b", expires_s=10, filename="b", content_type="text/plain")

    assert counts.total() == 3
