"""Reserves the machine's cores for one thread."""

from __future__ import annotations

from threading import Thread

import torch


def reserve_cores(num_threads: int) -> None:
    """Let this thread's operations run in so many threads, and those of threads that come later in one each.

    GNU's OpenMP keeps a team of waiting threads for every thread that has done a parallel operation. Once all teams
    together are larger than the machine, it sends them to sleep after every operation: a second team made a step of
    one personalization take 70 ms in place of 44 (two cores, the embedded model).
    """
    torch.set_num_threads(num_threads)
    torch.get_num_threads()  # from here on it is this thread's own number: torch looks it up at the first use
    # What is set is also what threads begin with that come later
    others = Thread(target=torch.set_num_threads, args=(1,))
    others.start()
    others.join()
