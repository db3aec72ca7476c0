"""How often something is done."""

from __future__ import annotations

import time


class Pace:
    """Tells when so many seconds have passed since the last time."""

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._last = float("-inf")

    def due(self) -> bool:
        """Tell whether it is time, and if so begin to wait again."""
        if time.monotonic() - self._last < self._every_s:
            return False
        self._last = time.monotonic()
        return True

    def hurry(self) -> None:
        """Make it due at once."""
        self._last = float("-inf")
