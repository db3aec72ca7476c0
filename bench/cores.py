"""Which thread may use the cores while something is timed, so that all that is compared runs alike."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

from worker.engine import reserve_cores

T = TypeVar("T")
CORES = torch.get_num_threads()


def leave_the_cores() -> None:
    """Let the calling thread do its operations alone: call it before the first one, in the main thread."""
    torch.set_num_threads(1)


def with_the_cores(run: Callable[[], T]) -> T:
    """Run on a thread that has all cores, as an engine's has, and that gives them back by its end."""
    with ThreadPoolExecutor(1, initializer=reserve_cores, initargs=(CORES,)) as pool:
        return pool.submit(run).result()
