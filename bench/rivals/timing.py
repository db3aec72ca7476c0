"""What methods cost: seconds to learn one subject alone, users a minute that one worker serves, bytes kept."""

from __future__ import annotations

import json
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import TypeVar

import torch

from bench.cores import with_the_cores
from bench.rivals.contest import numbers_of, settings_of
from bench.rivals.lines import Entry
from bench.rivals.method import Ask, Method, RowMethod, Shots, Stage, Subject, draw
from bench.trials.keep import Keep

T = TypeVar("T")
PICTURES = 4  # that each user asks for
WHOLE = 40  # steps up to which a method is timed as it is
ALONE, TOGETHER = (6, 26), (2, 6)  # steps of the two short runs that longer ones are reckoned from
CLEAR = 0.05  # of the seconds must be those of the steps, else they are no more than noise
MEASURED = 3  # times at most until they are
LONGEST = 100.0  # times its own steps is the most that a method gets for another's seconds


@dataclass(frozen=True)
class Timing:
    """A method's cost on this machine, in seconds; of one that learns for each prompt anew it is one prompt's.

    `seconds` to learn one subject alone, of which `fixed` whatever the steps; `together`, the part of each of some
    who learn at once, if the method lets them share calls; one `picture` alone, and one of many; `steps` in all.
    """

    seconds: float
    fixed: float
    together: float
    picture: float
    picture_of_many: float
    steps: int
    bytes_kept: int

    @property
    def per_minute(self) -> float:
        """Users that one worker serves who each have a subject learned and ask for `PICTURES` pictures."""
        return 60 / max(1e-9, self.together + PICTURES * self.picture_of_many)

    @property
    def clear(self) -> bool:
        """Whether the steps stand out from what learning takes anyway."""
        return _clear(self.seconds, self.fixed)

    def share_for(self, seconds: float) -> float:
        """Return what share of the steps takes so long, `LONGEST` at most; ValueError where the steps are noise."""
        if not self.clear:
            raise ValueError(f"{self.steps} steps take {self.seconds:.3g} seconds, {self.fixed:.3g} whatever the steps")
        return min(LONGEST, max(0.0, seconds - self.fixed) / (self.seconds - self.fixed))


def _clear(seconds: float, fixed: float) -> bool:
    return seconds - fixed > CLEAR * seconds


class Timer:
    """Times methods on one stage with some subjects of one picture or more; what a folder keeps is not timed again.

    With one thread and the process' CPU clock it says something on a machine that others keep busy, too.
    """

    def __init__(
        self,
        stage: Stage,
        several: Mapping[int, Sequence[Shots]],
        ask: Ask,
        *,
        keep: Keep,
        repeats: int,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """`several`: by the number of pictures, the subjects that learn together."""
        self._stage = stage
        self._several = several
        self._ask = ask
        self._keep = keep
        self._repeats = repeats
        self._clock = clock
        self._drawings: dict[str, tuple[float, float]] = {}

    def timing(self, entry: Entry) -> Timing:
        """Return what an entry costs at its own length."""
        several = len(self._several[entry.pictures])
        of = ["timing", self._stage.studio.threads, several, self._repeats, entry.pictures]
        of += [*numbers_of(self._stage), settings_of(entry.method), entry.method.rests_on(self._stage)]
        of += [*processor(), self._clock.__name__, self._stage.backbone.prior_sha256, self._stage.edit.model_dump()]
        return Timing(**self._keep.values(of, lambda: asdict(self._measure(entry))))

    def in_seconds_of(self, entry: Entry, other: Entry) -> Entry:
        """Return the entry cut to the steps that take as long as another one; SystemExit where noise hides them."""
        try:
            share = self.timing(entry).share_for(self.timing(other).seconds)
        except ValueError as error:
            why = f"{entry.line!r}: {error}: how many steps take the seconds of {other.line!r} can't be told from that"
            raise SystemExit(f"{why}; time it on a quieter machine or with more --timing-repeats") from error
        return replace(entry, method=entry.method.shortened(share))

    def _measure(self, entry: Entry) -> Timing:
        method, several = entry.method, self._several[entry.pictures]
        [subject] = self._learned(method.shortened(1e-9), several[:1])  # warm, and the class' pictures are there
        seconds, fixed = self._clearly(method, several[:1])
        picture, of_many = self._drawing(method, subject)
        together = self._learning(method, several, TOGETHER)[0] / len(several) if method.shares_calls else seconds
        return Timing(seconds, fixed, together, picture, of_many, method.steps_in_all, subject.bytes_kept)

    def _clearly(self, method: Method, several: Sequence[Shots]) -> tuple[float, float]:
        """Measure the learning of one subject alone, and again while the steps are lost in noise."""
        for _ in range(MEASURED):
            seconds, fixed = self._learning(method, several, ALONE)
            if not method.steps_in_all or _clear(seconds, fixed):
                break
        return seconds, fixed

    def _learning(self, method: Method, several: Sequence[Shots], steps: tuple[int, int]) -> tuple[float, float]:
        """Return the seconds of learning subjects together, and those that do not depend on the steps."""
        whole = method.steps_in_all
        if whole <= (WHOLE if len(several) == 1 else steps[1]):
            few = method.shortened(1e-9)
            return self._seconds(method, several), self._seconds(few, several) if whole > 1 else 0.0
        short, long = (method.shortened(count / whole) for count in steps)
        first, last = self._seconds(short, several), self._seconds(long, several)
        per_step = max(0.0, last - first) / max(1, long.steps_in_all - short.steps_in_all)
        fixed = max(0.0, first - per_step * short.steps_in_all)
        return fixed + per_step * whole, fixed

    def _seconds(self, method: Method, several: Sequence[Shots]) -> float:
        return self._median(lambda: self._learned(method, several))

    def _learned(self, method: Method, several: Sequence[Shots]) -> list[Subject]:
        return learn_with_the_cores(self._stage, method, several)

    def _drawing(self, method: Method, subject: Subject) -> tuple[float, float]:
        """Return the seconds of one picture alone, and of one of many; how long it learned makes no difference."""
        key = json.dumps([*settings_of(method.shortened(1e-9)), list(subject.kept)])
        if key not in self._drawings:
            many = len(self._several[1]) if method.shares_calls else PICTURES
            stage, ask = self._stage, self._ask

            def drawn(count: int) -> Callable[[], object]:
                return lambda: draw(stage, [method.drawing(stage, subject, ask) for _ in range(count)])

            with method.applied(stage, subject):
                self._drawings[key] = self._median(drawn(1)), self._median(drawn(many)) / many
        return self._drawings[key]

    def _median(self, run: Callable[[], object]) -> float:
        times = []
        for _ in range(self._repeats):
            began = self._clock()
            run()
            times.append(self._clock() - began)
        return statistics.median(times)


@cache
def processor() -> list[str]:
    """Return on what kind of processor seconds are counted here: those of another machine say nothing of this one."""
    cpus = Path("/proc/cpuinfo")
    lines = cpus.read_text(encoding="utf-8").splitlines() if cpus.exists() else []
    names = {line.partition(":")[2].strip() for line in lines if line.startswith("model name")}
    gpus = {torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())}
    return [platform.machine(), *sorted(names or {platform.processor()}), *sorted(gpus)]


def learn_with_the_cores(stage: Stage, method: Method, several: Sequence[Shots]) -> list[Subject]:
    """Learn subjects with all cores: rows on the engine's thread, weights on one that has them for as long."""
    seeds = list(range(len(several)))
    if isinstance(method, RowMethod) or stage.studio.threads == 1:
        return method.learn_several(stage, several, seeds)
    return with_the_cores(lambda: method.learn_several(stage, several, seeds))


def hours(entries: Sequence[Entry], timings: Sequence[Timing], individuals: int, asks: int, prompts: int) -> float:
    """Return about how long the contest takes on these cores; `asks` is the number of pictures of an individual."""
    seconds = 0.0
    for entry, timing in zip(entries, timings, strict=True):
        of_one = timing.together * (prompts if entry.method.per_prompt else 1) + asks * timing.picture_of_many
        seconds += min(individuals, entry.individuals) * of_one
    return seconds / 3600
