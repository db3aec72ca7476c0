"""A real worker that dies (SIGKILL) once, at a known step of one job: `python -m tests.support.dying_worker`.

The file that `DYING_WORKER` names says which: a job's id and a step. Without the file it is a worker as any other.
"""

from __future__ import annotations

import os
import runpy
import signal
from pathlib import Path
from typing import Any

from core.diffusion.requests import Report
from worker.engine import Ticket

VARIABLE = "DYING_WORKER"


def doom(file: Path, job_id: str, step: int) -> None:
    """Let the worker that looks at this file die right after a step of a job."""
    file.write_text(f"{job_id} {step}")


def main() -> None:
    """Run the worker as `python -m worker` does."""
    file, tell = Path(os.environ[VARIABLE]), Ticket.report

    def report_or_die(ticket: Ticket[Any], report: Report) -> None:
        if file.exists() and file.read_text() == f"{ticket.name} {report.step}":
            file.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        tell(ticket, report)

    Ticket.report = report_or_die  # type: ignore[method-assign] # on the engine's thread: not one more step is done
    runpy.run_module("worker", run_name="__main__")


if __name__ == "__main__":
    main()
