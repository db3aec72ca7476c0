"""One worker as it would go on: its jobs share its device, and each ends in its own time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from core.forecast.loads import Load, ModelRates
from core.forecast.work import Work
from core.jobs.records import KINDS, JobKind

NEVER = float("inf")
STEP: dict[JobKind, tuple[str, ...]] = {"personalize": ("NoiseLoss", "AdamStep"), "edit": ("PredictNoise",)}
DECODE = "DecodeLatents"
SOON_S = 1e-9


@dataclass
class Task:
    """A job in a machine: seconds until it begins to compute, steps that are left, seconds after its last one."""

    id: str
    kind: JobKind
    model_hash: str
    work: Work
    left: float
    pictures: int
    delay: float = 0.0
    aside: float = 0.0

    @classmethod
    def fresh(cls, job_id: str, kind: JobKind, model_hash: str, work: Work) -> Task:
        """Return a job that has not begun."""
        return cls(job_id, kind, model_hash, work, float(work.steps) if work.rows else 0.0, work.pictures)


@dataclass
class Machine:
    """A worker with what it runs; its time is the fleet's, from now on.

    In one round each job of a kind makes a step, all of them in common calls. When both kinds want the device they get
    their shares of it.
    """

    load: Load
    known: Mapping[str, ModelRates]
    time: float = 0.0
    tasks: list[Task] = field(default_factory=list)
    _loaded: set[str] = field(default_factory=set)
    _turn: int = 0

    def __post_init__(self) -> None:
        self._loaded = {model for model, rates in self.load.models.items() if rates.loaded}
        for running in self.load.running:
            task = Task(running.id, running.kind, running.model_hash, running.work, running.left, running.pictures_left)
            task.aside = self._aside(task)
            if running.waited_s is not None:  # what was read and encoded before the first step is not to come again
                task.delay = max(0.0, self._before(task) - running.waited_s)
            self.tasks.append(task)
        for task in self.tasks:
            if task.left <= 0 and task.pictures:
                self._compute_less(task)  # its steps are made, and it decodes

    def has_room(self, kind: JobKind) -> bool:
        """Tell whether a slot of a kind is free."""
        return sum(task.kind == kind for task in self.tasks) < self.load.slots.get(kind, 0)

    def models(self) -> Iterable[str]:
        """Return the models that it serves, another one first each time, as a worker takes from them in turns."""
        models = sorted(self.load.models)
        self._turn += 1
        return [models[(self._turn + index) % len(models)] for index in range(len(models))]

    def add(self, task: Task) -> None:
        """Let a job begin here now."""
        if task.model_hash not in self._loaded:
            self._loaded.add(task.model_hash)
            task.delay = self._rates(task.model_hash).load_s
        task.delay += self._before(task)
        task.aside = self._aside(task)
        self.tasks.append(task)

    def next_event(self) -> float:
        """Return when something changes here by itself; NEVER when nothing is known to."""
        speeds = self._speeds()
        return self.time + max(0.0, min((self._until(task, speeds) for task in self.tasks), default=NEVER))

    def advance(self, to: float) -> list[Task]:
        """Go on until a time that is not after the next event; return the jobs that end."""
        speeds, passed = self._speeds(), to - self.time
        self.time = to
        for task in self.tasks:
            if task.delay > 0:
                task.delay -= passed
                if task.delay <= SOON_S:  # what rounding leaves would never pass
                    task.delay = 0.0
            elif task.left > 0:
                task.left -= passed * speeds[task.kind]
                if task.left * self._round_s(task.kind) <= SOON_S:
                    self._compute_less(task)
            else:
                task.aside -= passed
        ended = [task for task in self.tasks if task.delay <= SOON_S and task.left <= 0 and task.aside <= SOON_S]
        self.tasks = [task for task in self.tasks if task not in ended]
        return ended

    def _compute_less(self, task: Task) -> None:
        """End a job's steps: what its pictures take to decode is counted as so many steps more."""
        task.left = 0.0
        decoding = self._rates(task.model_hash).seconds(DECODE, task.pictures, self.load.max_batch)
        round_s = self._round_s(task.kind, task)
        if decoding and 0 < round_s < NEVER:
            task.left = decoding / round_s
        task.pictures = 0

    def _until(self, task: Task, speeds: Mapping[JobKind, float]) -> float:
        if task.delay > 0:
            return task.delay
        if task.left > 0:
            return task.left / speeds[task.kind] if speeds[task.kind] else NEVER
        return task.aside

    def _speeds(self) -> dict[JobKind, float]:
        """Return how many rounds of each kind are made in a second."""
        rounds = {kind: self._round_s(kind) for kind in KINDS}
        wanting = [kind for kind in KINDS if 0 < rounds[kind] < NEVER]
        total = sum(self.load.shares.get(kind, 1.0) for kind in wanting)
        return {
            kind: self.load.shares.get(kind, 1.0) / total / rounds[kind] if kind in wanting else 0.0 for kind in KINDS
        }

    def _round_s(self, kind: JobKind, also: Task | None = None) -> float:
        """Return the seconds of one round of a kind's jobs: 0 without any, NEVER when nothing is known of them."""
        computing = [each for each in self.tasks if each.kind == kind and each.delay <= 0 and each.left > 0]
        if also is not None and also not in computing:
            computing.append(also)
        seconds = 0.0
        for model in {task.model_hash for task in computing}:
            of_it = [task for task in computing if task.model_hash == model]
            together = sum(task.work.rows for task in of_it if not task.work.exact)
            alone = sum(task.work.rows for task in of_it if task.work.exact)
            for request in STEP[kind]:
                known = self._rates(model).seconds(request, together, self.load.max_batch)
                one = self._rates(model).seconds(request, min(alone, 1), 1)
                if known is None or one is None:
                    return NEVER
                seconds += known + one * alone
        return seconds

    def _before(self, task: Task) -> float:
        return self._rates(task.model_hash).before_s.get(task.kind, 0.0)

    def _aside(self, task: Task) -> float:
        return self._rates(task.model_hash).aside_s.get(task.kind, 0.0)

    def _rates(self, model_hash: str) -> ModelRates:
        return self.known.get(model_hash, ModelRates())
