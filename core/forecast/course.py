"""How the queue would go on if nothing else came: which job begins when, and when it ends."""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

from core.forecast.machine import NEVER, Machine, Task
from core.jobs.records import KINDS, JobKind

Line = tuple[JobKind, str]  # a kind, and the hash of a model
MOST_EVENTS = 20_000  # then whatever has not ended stays unknown


@dataclass
class Course:
    """Lets jobs run in machines until all have ended. Times are seconds from now on.

    `lines` are the queued jobs in their order, `after` the edits that wait for a job's tail. What it finds out is in
    `starts` (by line, in the order in which they begin) and `ends` (by job).
    """

    machines: Sequence[Machine]
    lines: dict[Line, deque[Task]]
    after: Mapping[str, Sequence[Task]] = field(default_factory=dict)
    starts: dict[Line, list[float]] = field(default_factory=dict)
    lasted: dict[Line, list[float]] = field(default_factory=dict)
    ends: dict[str, float] = field(default_factory=dict)

    def run(self) -> Course:
        """Find it out."""
        self._began: dict[str, float] = {}
        self._missing = Counter(edit.id for edits in self.after.values() for edit in edits)
        order = count()
        for machine in self.machines:
            self._catch_up(machine)
        for machine in self.machines:
            self._fill(machine, 0.0)
        events = [(machine.next_event(), next(order), index) for index, machine in enumerate(self.machines)]
        heapq.heapify(events)
        fresh = [entry[1] for entry in sorted(events, key=lambda entry: entry[2])]
        for _ in range(MOST_EVENTS):
            if not events or events[0][0] == NEVER:
                break
            now, number, index = heapq.heappop(events)
            if fresh[index] != number:
                continue  # something came in between
            touched = {index}
            if self._end(self.machines[index].advance(now), now):
                touched = set(range(len(self.machines)))  # edits were queued: whoever has room may take them
            for each in touched:
                machine = self.machines[each]
                if each == index or self._wants(machine):
                    if each != index:
                        self._end(machine.advance(now), now)
                    self._fill(machine, now)
                    fresh[each] = next(order)
                    heapq.heappush(events, (machine.next_event(), fresh[each], each))
        return self

    def _catch_up(self, machine: Machine) -> None:
        """Bring a machine from the moment at which it told what it runs to now."""
        while machine.time < 0:
            self._end(machine.advance(min(0.0, machine.next_event())), 0.0)

    def _wants(self, machine: Machine) -> bool:
        served = machine.load.models
        return any(tasks and line[1] in served and machine.has_room(line[0]) for line, tasks in self.lines.items())

    def _fill(self, machine: Machine, now: float) -> None:
        for kind in KINDS:
            while machine.has_room(kind) and (line := self._next(machine, kind)):
                task = self.lines[line].popleft()
                machine.add(task)
                self._began[task.id] = now
                self.starts.setdefault(line, []).append(now)

    def _next(self, machine: Machine, kind: JobKind) -> Line | None:
        return next(((kind, model) for model in machine.models() if self.lines.get((kind, model))), None)

    def _end(self, tasks: Sequence[Task], now: float) -> bool:
        """Note ends; tells whether edits were queued that waited for them."""
        queued = False
        for task in tasks:
            self.ends[task.id] = now
            if (began := self._began.get(task.id)) is not None:
                self.lasted.setdefault((task.kind, task.model_hash), []).append(now - began)
            for edit in self.after.get(task.id, ()):
                self._missing[edit.id] -= 1
                if not self._missing[edit.id]:
                    queued = True
                    self.lines.setdefault((edit.kind, edit.model_hash), deque()).append(edit)
        return queued
