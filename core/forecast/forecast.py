"""Tells when a job will end, at a cost that does not depend on how many jobs wait."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence

from core.clock import FleetClock
from core.forecast.course import Course, Line
from core.forecast.loads import Load, ModelRates
from core.forecast.machine import Machine, Task
from core.forecast.outlook import Outlook
from core.forecast.work import Work, work_of
from core.jobs.ids import tail_of
from core.jobs.records import KINDS, JobSpec, JobStatus, LiveRecord
from core.live.names import again
from core.live.store import LiveStore

FRESH_S = 1.0  # an outlook is good for so long, for all who ask
HURRY_S = 0.2  # for a job that was not seen, there is a new one so soon
HEADS = 64  # of each line so many jobs are looked at, however many stand in it
BEHIND = 16  # and so many more are supposed to keep them company, if there are
EDITS = 16  # that wait for one tail
REMEMBERED = 20_000  # jobs whose work is known


class Forecast:
    """Looks at the fleet now and then, and lets its queue go on in thought. Safe in many threads."""

    def __init__(self, live: LiveStore, clock: FleetClock) -> None:
        self._live = live
        self._clock = clock
        self._outlook = Outlook(float("-inf"), Course([], {}))
        self._looked = float("-inf")
        self._lock = threading.Lock()
        self._works: dict[str, Work | None] = {}
        self._lock_of_works = threading.Lock()

    def eta_s(self, spec: JobSpec, record: LiveRecord) -> float | None:
        """Return in how many seconds an open job will end; None when too little is known. Raises RedisError."""
        if (ends_at := self._ends_at(spec, record)) is None:
            just_taken = record.status is JobStatus.RUNNING and record.eta_s is None
            return self.alone_s(spec) if just_taken else record.eta_s  # its worker's own word
        return round(max(0.0, ends_at - self._clock.now_s()), 1)

    def alone_s(self, spec: JobSpec) -> float | None:
        """Return how long a job would take if nothing else ran; None when too little is known."""
        serving = [each.load for each in self._recent(FRESH_S).course.machines if spec.model_hash in each.load.models]
        if not serving:
            return None
        rates = _of_all(serving)
        idle = Machine(serving[0].model_copy(update={"running": ()}), rates)
        task = Task.fresh(spec.id, spec.kind, spec.model_hash, work_of(spec))
        return Course([idle], {(spec.kind, spec.model_hash): deque([task])}).run().ends.get(spec.id)

    def _ends_at(self, spec: JobSpec, record: LiveRecord) -> float | None:
        outlook = self._recent(FRESH_S)
        if (found := outlook.ends_at(spec.id)) is not None:
            return found
        place = record.position
        if record.status is JobStatus.QUEUED and place is not None and place >= HEADS:
            return outlook.ends_at_place((spec.kind, spec.model_hash), place)
        if spec.created_at.timestamp() < outlook.at - HURRY_S:
            return None  # it was looked for, and is none of those that were looked at
        return self._recent(HURRY_S).ends_at(spec.id)  # it has just come

    def _recent(self, age_s: float) -> Outlook:
        """Return an outlook that is not much older; one asks for all."""
        if time.monotonic() - self._looked >= age_s:
            with self._lock:
                if time.monotonic() - self._looked >= age_s:
                    self._outlook = self._look()
                    self._looked = time.monotonic()
        return self._outlook

    def _look(self) -> Outlook:
        loads, now = self._live.workers.loads(), self._clock.now_s()
        rates = _of_all(loads)
        machines = [
            Machine(
                load,
                {model: _filled(mine, rates[model]) for model, mine in load.models.items()},
                min(0.0, load.at - now),
            )
            for load in loads
        ]
        lines = self._lines(sorted(rates))
        tasks = [task for machine in machines for task in machine.tasks]
        tasks += [task for line in lines.values() for task in line if task.id]
        learning = [task for task in tasks if task.kind == "personalize"]
        return Outlook(now, Course(machines, lines, self._waiting(learning)).run())

    def _lines(self, models: Sequence[str]) -> dict[Line, deque[Task]]:
        """Return the heads of all lines, those first that met a crash, as workers take them."""
        every: list[Line] = [(kind, model) for kind in KINDS for model in models]
        asked = [(line, model) for kind, model in every for line in (again(kind), kind)]
        heads = self._live.lines.heads(asked, HEADS)
        works = self._works_of([job_id for ids, _ in heads for job_id in ids])
        lines = {}
        for (kind, model), (crashed, many), (others, more) in zip(every, heads[::2], heads[1::2], strict=True):
            found = [(job_id, works[job_id]) for job_id in crashed + others if job_id in works]
            tasks = [Task.fresh(job_id, kind, model, work) for job_id, work in found]
            company = [Task.fresh("", kind, model, work) for _, work in found[-min(BEHIND, many + more - len(found)) :]]
            lines[kind, model] = deque(tasks + company if many + more > len(found) else tasks)
        return lines

    def _waiting(self, learning: Sequence[Task]) -> dict[str, list[Task]]:
        """Return the edits that wait for the tails of these jobs."""
        waiting = self._live.open_jobs.some_waiting([tail_of(task.id) for task in learning], EDITS)
        works = self._works_of([edit for edits in waiting for edit in edits])
        tasks: dict[str, Task] = {}  # an edit with several tails waits for all of them
        after = {}
        for job, edits in zip(learning, waiting, strict=True):
            after[job.id] = [
                tasks.setdefault(edit, Task.fresh(edit, "edit", job.model_hash, works[edit]))
                for edit in edits
                if edit in works
            ]
        return after

    def _works_of(self, job_ids: Sequence[str]) -> dict[str, Work]:
        """Return what each of these jobs asks for, as far as it is known; each is asked for once."""
        with self._lock_of_works:
            if unknown := [job_id for job_id in job_ids if job_id not in self._works]:
                if len(self._works) > REMEMBERED:
                    self._works.clear()
                    unknown = list(job_ids)
                self._works.update(zip(unknown, self._live.records.works(unknown), strict=True))
            return {job_id: work for job_id in job_ids if (work := self._works[job_id]) is not None}


def _of_all(loads: Sequence[Load]) -> dict[str, ModelRates]:
    """Return for each served model what is known of it anywhere."""
    rates: dict[str, ModelRates] = {}
    for load in loads:
        for model, mine in load.models.items():
            rates[model] = _filled(mine, rates[model]) if model in rates else mine
    return rates


def _filled(mine: ModelRates, others: ModelRates) -> ModelRates:
    """Return a worker's own rates, and those of others for what it has never done."""
    return mine.model_copy(
        update={
            "calls": others.calls | mine.calls,
            "before_s": others.before_s | mine.before_s,
            "aside_s": others.aside_s | mine.aside_s,
        }
    )
