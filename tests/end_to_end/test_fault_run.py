"""A short run of the fault suite: two workers and two APIs, each of the quick kinds of faults once."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.fault.kinds import Kind
from bench.fault.verdict.audit import Findings
from bench.faults import Options, run

KINDS = (
    Kind.WORKER_KILL, Kind.WORKER_TERM, Kind.API_KILL, Kind.REDIS_KILL, Kind.REDIS_WIPE, Kind.REDIS_FLUSH,
    Kind.REDIS_CUT,
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(300)  # it ends by itself
def test_whatever_breaks_while_jobs_run_each_job_ends_once_and_leaves_nothing(tmp_path: Path) -> None:
    options = Options(
        faults=len(KINDS),
        jobs=10,
        seed=7,
        storage="folder",
        quick=True,
        minutes=2,
        clients=3,
        steps=(10, 30),
        only=tuple(kind.name for kind in KINDS),
    )

    outcome = run(options, tmp_path)

    assert {strike.kind for strike in outcome.strikes} == set(KINDS)
    assert outcome.accepted >= options.jobs
    assert outcome.findings == Findings()
