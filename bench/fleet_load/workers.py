"""Many workers whose engines sleep: `python -m bench.fleet_load.workers 10 0` starts ten, numbered from 0 on.

Everything is imported once and then forked, so that a hundred of them fit into a small machine. What is not real is
replaced here, and only here: the engine, the backbone, and storage by one that counts.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import core.services
import worker.runtime
from bench.fleet_load.counting import CountingStorage, Counts
from bench.fleet_load.sleeping import SleepingEngine, sleeping_backbone

COUNTS = "FLEET_COUNTS"  # the variable that names the file of counts


def stand_in(process: int) -> None:
    """Replace what is not real in this process."""
    runtime: Any = worker.runtime
    runtime.Engine, runtime.load_backbone = SleepingEngine, sleeping_backbone
    services: Any = core.services
    counts, really_open = Counts(Path(os.environ[COUNTS])), services.open_storage
    services.open_storage = lambda *args, **kwargs: CountingStorage(really_open(*args, **kwargs), counts, process)


def run_worker(process: int) -> None:
    """Be one worker until a signal ends it."""
    stand_in(process)
    import runpy  # noqa: PLC0415 - importing it starts it

    runpy.run_module("worker", run_name="__main__")


def main() -> None:
    """Fork so many workers and wait for their ends; a signal reaches all of the group."""
    count, first = int(sys.argv[1]), int(sys.argv[2])
    for number in range(first, first + count):
        if os.fork() == 0:
            run_worker(number)
            os._exit(0)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for _ in range(count):
        os.wait()


if __name__ == "__main__":
    main()
