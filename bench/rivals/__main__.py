"""HiPer beside the field: Textual Inversion, DreamBooth, LoRA, Imagic, SDEdit, an adapter, and bare words.

`python -m bench.rivals` learns and draws the same individuals with every method, with the same prompts, seeds and
judges as `bench.quality`, and says what each costs. A line names a method with changes to its settings, as in
`--methods fast "dreambooth steps=200 pictures=4" "inversion seconds=fast"`; without them it is the whole field.
Pictures that were made before are taken up from `--keep`. The judge does not matter for them.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from bench.cores import CORES, leave_the_cores
from bench.quality import show_slopes
from bench.report import require_plots, show, write
from bench.rivals.contest import Plan, compete, shots_of
from bench.rivals.lines import Entry, field_lines, read_entry
from bench.rivals.method import Ask, Stage
from bench.rivals.table import plot, results, show_results
from bench.rivals.timing import Timer, Timing, hours
from bench.trials.keep import Keep
from bench.trials.studio import AT_ONCE, CRITTERS, Studio
from bench.trials.trial import GROUNDS, Setting, over_processes
from core.diffusion.backbone import load_backbone
from core.models.recipes import recipes_for


def settle_lengths(
    setting: Setting, entries: Sequence[Entry], plan: Plan, *, repeats: int, users: int, busy: bool
) -> tuple[list[Entry], list[Timing]]:
    """Return the entries, those of others' seconds cut to them, with what each costs, `users` learning together."""
    ground, backbone = setting.ground, load_backbone(str(setting.model), name="bench")
    cases = ground.cases("development", users)
    several = {n: [shots_of(ground, case, n) for case in cases] for n in {1, *(entry.pictures for entry in entries)}}
    stage = Stage(
        Studio(backbone, quiet=True, threads=1 if busy else CORES), plan.recipes["fast"].edit, adapter=plan.adapter
    )
    ask = Ask(ground.caption(cases[0].targets[0]), 0)
    clock = time.process_time if busy else time.perf_counter
    timer = Timer(stage, several, ask, keep=Keep(setting.keep, backbone.hash), repeats=repeats, clock=clock)
    cut = [
        timer.in_seconds_of(entry, read_entry(entry.seconds, plan.recipes)) if entry.seconds else entry
        for entry in entries
    ]
    return cut, [timer.timing(entry) for entry in cut]


def main() -> None:
    """Time the methods, hold the contest, print the tables; write JSON and plots."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", help="lines; without them the whole field")
    parser.add_argument("--split", default="development", choices=["development", "test"])
    parser.add_argument("--judge", default="a", choices=["a", "b"])
    parser.add_argument("--individuals", type=int, default=24)
    parser.add_argument("--prompts", type=int, default=6)
    parser.add_argument("--sampling-seeds", type=int, default=2)
    parser.add_argument("--timing-repeats", type=int, default=3)
    parser.add_argument("--users", type=int, default=AT_ONCE, help="who learn together while that is timed")
    parser.add_argument("--busy", action="store_true", help="time one thread's CPU seconds: others use the machine")
    parser.add_argument("--estimate", action="store_true", help="time the methods, say how long it all takes, and end")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--keep", type=Path, default=Path("build/rivals"), help="what lies there is not made again")
    parser.add_argument("--adapter", type=Path, help="the zero-shot adapter's file; without it that is left out")
    parser.add_argument("--world", default="critters", choices=sorted(GROUNDS), help="what the model draws")
    parser.add_argument("--model", type=Path, help="its folder; without it the world's own")
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    options = parser.parse_args()
    require_plots()
    leave_the_cores()
    model = options.model or CRITTERS.with_name(options.world)
    plan = Plan(options.prompts, options.sampling_seeds, recipes_for(model), options.adapter)
    lines = options.methods or field_lines(options.world, adapter=options.adapter is not None)
    entries = [read_entry(line, plan.recipes) for line in lines]
    setting = Setting(model, options.split, options.judge, options.individuals, 1, options.keep, options.world)
    entries, timings = settle_lengths(
        setting, entries, plan, repeats=options.timing_repeats, users=options.users, busy=options.busy
    )
    needed = hours(entries, timings, options.individuals, plan.prompts * plan.seeds, plan.prompts)
    costs = [
        (e.line, t.steps, *(f"{s:.2f}" for s in (t.seconds, t.together, t.picture, t.picture_of_many)))
        for e, t in zip(entries, timings, strict=True)
    ]
    show(
        "CPU seconds of one thread" if options.busy else "seconds",
        ["method", "steps", "alone", "each of many", "picture alone", "picture of many"],
        costs,
    )
    print(f"all of it takes about {needed:.2f} hours on these cores when they are idle", flush=True)
    if options.estimate:
        return
    rows = over_processes(setting, partial(compete, entries=entries, plan=plan), options.processes)
    found = results(entries, timings, rows)
    size = f"{options.individuals} individuals x {plan.prompts} prompts x {plan.seeds} seeds"
    show_results(found, f"{options.split}, judge {options.judge}, {size}; %")
    if options.world == "menagerie":
        show_slopes(rows)
    name = f"rivals-{options.world}-{options.split}-{options.judge}"
    write(options.out, name, found)
    plot(found, options.out / name)


if __name__ == "__main__":
    main()
