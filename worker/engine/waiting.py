"""The rows that wait for a call, and those that did not fit into memory and wait for more of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from worker.engine.batching import Row
from worker.engine.run import Run


class WaitingRows:
    """Rows in the order in which they were asked for. Only the engine's thread changes them."""

    def __init__(self) -> None:
        self._rows: list[Row] = []
        self._aside: list[Row] = []

    def __len__(self) -> int:
        return len(self._rows) + len(self._aside)

    def add(self, row: Row) -> None:
        """Let a row wait for its call."""
        self._rows.append(row)

    def take(self, choose: Callable[[Sequence[Row]], list[Row]]) -> list[Row]:
        """Take out what `choose` returns of those that wait; when nothing else does, those that were set aside too."""
        if not self._rows:
            self.release()
        if not self._rows:
            return []
        chosen = choose(self._rows)
        self._rows = [row for row in self._rows if row not in chosen]
        return chosen

    def set_aside(self, row: Row) -> bool:
        """Keep a row that did not fit until memory may be free again; False when that was so before."""
        if row.waited_for_memory:
            return False
        self._aside.append(replace(row, waited_for_memory=True))
        return True

    def drop(self, run: Run) -> None:
        """Forget the rows of a run that has ended; with it memory may have become free for others."""
        self._rows = [row for row in self._rows if row.run is not run]
        self._aside = [row for row in self._aside if row.run is not run]
        self.release()

    def release(self) -> None:
        """Let those that were set aside wait for a call again."""
        self._rows, self._aside = self._rows + self._aside, []
