"""Memory that was freed goes back to the system."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import lru_cache


def give_back() -> None:
    """Let the C library return what it keeps of freed memory, where it can (glibc); takes some milliseconds at most.

    glibc keeps freed blocks of up to 32 MB for later, in every thread's own arena: decoded pictures, by the gigabyte.
    """
    _trim()(0)


@lru_cache(maxsize=1)
def _trim() -> Callable[[int], int]:
    found: Callable[[int], int] = getattr(ctypes.CDLL(None), "malloc_trim", lambda _: 0)
    return found
