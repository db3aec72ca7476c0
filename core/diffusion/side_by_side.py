"""Several routines as one: what they ask for at the same time is asked for together, so that it shares calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from core.diffusion.requests import Report, Request, Routine

T = TypeVar("T")


class _Part:
    """One of the routines: what it asks for, and its result once it has one."""

    def __init__(self, routine: Routine[Any]) -> None:
        self._routine = routine
        self.asked: tuple[Request, ...] = ()
        self.single = True
        self.step = 0
        self.steps = 0
        self.ended = False
        self.result: Any = None
        self.resume(None)

    def resume(self, answer: Any) -> None:
        """Go on to the next request that is no report; reports are only noted."""
        while True:
            try:
                yielded = self._routine.send(answer)
            except StopIteration as done:
                self.ended, self.result, self.asked = True, done.value, ()
                return
            if not isinstance(yielded, Report):
                self.single = not isinstance(yielded, tuple)
                self.asked = yielded if isinstance(yielded, tuple) else (yielded,)
                return
            self.step, self.steps = yielded.step, yielded.steps
            answer = None


def side_by_side(routines: Sequence[Routine[T]], *, at_once: int) -> Routine[list[T]]:
    """Run so many routines at once and return the results of all, in their order; reports tell of all together."""
    results: list[T] = []
    for first in range(0, len(routines), at_once):
        some = routines[first : first + at_once]
        results += yield from _together(some, done=len(results), of=len(routines))
    return results


def _together(routines: Sequence[Routine[T]], *, done: int, of: int) -> Routine[list[T]]:
    parts = [_Part(routine) for routine in routines]
    told = 0
    while waiting := [part for part in parts if not part.ended]:
        answers = yield tuple(request for part in waiting for request in part.asked)
        taken = 0
        for part in waiting:
            mine = answers[taken : taken + len(part.asked)]
            taken += len(part.asked)
            part.resume(mine[0] if part.single else mine)
        steps = max(part.steps for part in parts)
        step = done * steps + sum(part.step for part in parts)
        if step > told:
            told = step
            yield Report(step, of * steps)
    return [part.result for part in parts]
