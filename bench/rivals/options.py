"""What the commands of the field have in common: their options, the methods as lines, what each of them costs."""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.cores import CORES
from bench.report import show
from bench.rivals.contest import Plan, shots_of
from bench.rivals.lines import Entry, read_entry
from bench.rivals.method import Ask, Stage
from bench.rivals.timing import Timer, Timing, hours
from bench.trials.keep import Keep
from bench.trials.studio import AT_ONCE, CRITTERS, Studio
from bench.trials.trial import GROUNDS, Setting
from core.diffusion.backbone import load_backbone
from core.models.recipes import recipes_for


@dataclass(frozen=True)
class Contest:
    """Who competes, in what setting, over what plan, and what each costs alone."""

    setting: Setting
    plan: Plan
    entries: list[Entry]
    timings: list[Timing]

    @property
    def hours(self) -> float:
        """About how long it takes on these cores when they are idle."""
        asks = self.plan.prompts * self.plan.seeds
        return hours(self.entries, self.timings, self.setting.individuals, asks, self.plan.prompts)

    @property
    def size(self) -> str:
        """How large it is, for people."""
        return f"{self.setting.individuals} individuals x {self.plan.prompts} prompts x {self.plan.seeds} seeds"

    def show_costs(self, *, busy: bool) -> None:
        """Print what each entry costs."""
        costs = [
            (e.line, t.steps, *(f"{s:.2f}" for s in (t.seconds, t.together, t.picture, t.picture_of_many)))
            for e, t in zip(self.entries, self.timings, strict=True)
        ]
        title = "CPU seconds of one thread" if busy else "seconds"
        show(title, ["method", "steps", "alone", "each of many", "picture alone", "picture of many"], costs)
        print(f"all of it takes about {self.hours:.2f} hours on these cores when they are idle", flush=True)


def new_parser(doc: str | None) -> ArgumentParser:
    """Return a parser with the options that all commands have."""
    parser = ArgumentParser(description=doc, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--split", default="development", choices=["development", "test"])
    parser.add_argument("--judge", default="a", choices=["a", "b"])
    parser.add_argument("--individuals", type=int, default=24)
    parser.add_argument("--prompts", type=int, default=6)
    parser.add_argument("--sampling-seeds", type=int, default=2)
    parser.add_argument("--timing-repeats", type=int, default=3)
    parser.add_argument("--users", type=int, default=AT_ONCE, help="who learn together while that is timed")
    parser.add_argument("--busy", action="store_true", help="time one thread's CPU seconds: others use the machine")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--keep", type=Path, default=Path("build/rivals"), help="what lies there is not made again")
    parser.add_argument("--adapter", type=Path, help="the zero-shot adapter's file; without it that is left out")
    parser.add_argument("--world", default="critters", choices=sorted(GROUNDS), help="what the model draws")
    parser.add_argument("--model", type=Path, help="its folder; without it the world's own")
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    return parser


def model_of(options: Namespace) -> Path:
    """Return the folder of the model that competes."""
    found: Path = options.model or CRITTERS.with_name(options.world)
    return found


def open_contest(options: Namespace, lines: Sequence[str]) -> Contest:
    """Read the lines and time them; those of others' seconds are cut to as many steps as take so long."""
    model = model_of(options)
    plan = Plan(options.prompts, options.sampling_seeds, recipes_for(model), options.adapter)
    setting = Setting(model, options.split, options.judge, options.individuals, 1, options.keep, options.world)
    entries = [read_entry(line, plan.recipes) for line in lines]
    timer = _timer(setting, plan, entries, options)
    cut = [
        timer.in_seconds_of(entry, read_entry(entry.seconds, plan.recipes)) if entry.seconds else entry
        for entry in entries
    ]
    return Contest(setting, plan, cut, [timer.timing(entry) for entry in cut])


def _timer(setting: Setting, plan: Plan, entries: Sequence[Entry], options: Namespace) -> Timer:
    ground, backbone = setting.ground, load_backbone(str(setting.model), name="bench")
    cases = ground.cases("development", options.users)
    several = {n: [shots_of(ground, case, n) for case in cases] for n in {1, *(entry.pictures for entry in entries)}}
    studio = Studio(backbone, quiet=True, threads=1 if options.busy else CORES)
    clock = time.process_time if options.busy else time.perf_counter
    return Timer(
        Stage(studio, plan.recipes["fast"].edit, adapter=plan.adapter),
        several,
        Ask(ground.caption(cases[0].targets[0]), 0),
        keep=Keep(setting.keep, backbone.hash),
        repeats=options.timing_repeats,
        clock=clock,
    )
