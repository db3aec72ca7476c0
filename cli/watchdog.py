"""Ends a supervisor's processes when the supervisor is gone without having done so (kill -9, a crash).

It reads `pid grace_s` and `-pid` lines from its standard input, which only the supervisor holds open: the end of that
pipe is the supervisor's end. That works alike on Linux and macOS; PR_SET_PDEATHSIG is Linux's alone.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time


def group_lives(pid: int) -> bool:
    """Tell whether any process of the group that `pid` leads is there."""
    try:
        os.killpg(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # macOS says so of a group of zombies
        return False
    return True


def end_group(pid: int, grace_s: float) -> None:
    """Ask a process group to end, wait for it, and kill what is left after `grace_s`."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGTERM)
        deadline = time.monotonic() + grace_s
        while group_lives(pid) and time.monotonic() < deadline:
            time.sleep(0.05)  # not our children: there is nothing to wait on
        os.killpg(pid, signal.SIGKILL)


def main() -> None:
    """Remember the processes that the supervisor names, and end the last started first, so Redis outlives its users."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    alive: dict[int, float] = {}
    for line in sys.stdin:
        pid, _, grace_s = line.strip().partition(" ")
        if pid.startswith("-"):
            alive.pop(int(pid[1:]), None)
        else:
            alive[int(pid)] = float(grace_s)
    for pid, grace_s in reversed(alive.items()):
        end_group(pid, grace_s)


if __name__ == "__main__":
    main()
