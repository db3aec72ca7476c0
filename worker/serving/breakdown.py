"""Ends the process of a broken machine, once what ran on it is handed back."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

import structlog

HAND_BACK_S = 10.0  # what is not handed back by then is left to its lease
LOOK_EVERY_S = 0.05
log = structlog.get_logger()


class Breakdown:
    """Ends this process once nothing is active any more, or after a bounded time. Safe in many threads."""

    def __init__(
        self,
        hand_back: Callable[[], None],
        active: Callable[[], int],
        exit_process: Callable[[int], None] = os._exit,
    ) -> None:
        """`hand_back` asks all attempts to stop; `active` counts those that are still on their way."""
        self._hand_back = hand_back
        self._active = active
        self._exit = exit_process
        self._begun = False
        self._lock = threading.Lock()

    def begin(self, reason: str, exit_code: int) -> None:
        """Tell why the process can't go on; only the first call counts."""
        with self._lock:
            if self._begun:
                return
            self._begun = True
        log.error("worker.broken", reason=reason, exit_code=exit_code, hand_back_s=HAND_BACK_S)
        threading.Thread(target=self._end, args=[exit_code], name="breakdown", daemon=True).start()

    def _end(self, exit_code: int) -> None:
        self._hand_back()
        until = time.monotonic() + HAND_BACK_S
        while self._active() and time.monotonic() < until:
            time.sleep(LOOK_EVERY_S)
        self._exit(exit_code)
