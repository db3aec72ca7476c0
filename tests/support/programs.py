"""Other programs that tests start."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def started(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Python with these arguments and piped output; killed when the block ends, however it ends."""
    heed_interrupts()
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, *arguments], stdout=pipe, stderr=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def heed_interrupts() -> None:
    """Let Ctrl-C interrupt this process and its children.

    A shell makes what it starts in the background ignore SIGINT, and children inherit that: a CI runner's too.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
