"""Chooses every method's settings on development individuals with judge A: as many tries for each.

`python -m bench.rivals.tune inversion lora --individuals 12 --prompts 4` tries eight settings of each method at any
length and four in the seconds of `fast`, then the best of both with less and with more guidance, and names the best by
the harmonic mean of identity, text and, where the world has them, look-alikes; `--write` puts them into `tuned.json`,
where the whole field finds them. The model's `fast` was tuned before, with more tries.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import product
from json import dumps, loads

from bench.cores import leave_the_cores
from bench.report import write
from bench.rivals.contest import compete
from bench.rivals.lines import TUNED
from bench.rivals.options import model_of, new_parser, open_contest
from bench.rivals.table import Result, results, show_results
from bench.trials.trial import over_processes
from core.models.recipes import recipes_for

FULL, QUICK = 8, 4  # tries
GUIDANCES = (0.5, 5 / 3)  # times the model's own
SCORED = ("identity", "alike", "text")


def _all(*choices: Sequence[str]) -> list[str]:
    return [" ".join(part for part in parts if part) for parts in product(*choices)]


def _rates(*rates: float) -> list[str]:
    return [f"learning_rate={rate:g}" for rate in rates]


_COARSE = ["", "timestep_low=400 timestep_high=900"]
GRIDS: dict[str, tuple[list[str], list[str]]] = {
    "words": ([f"guidance_scale={guidance:g}" for guidance in (1.5, 2, 2.5, 3, 4, 5, 6, 7.5)], []),
    "sdedit": ([f"strength={kept / 12 + 0.001:.3f}" for kept in range(4, 12)], []),
    "inversion": (
        _all(["rows=1 learning_rate_schedule=cosine"], ["steps=300", "steps=1000"], ["vectors=1", "vectors=3"],
             _rates(0.01, 0.05)),
        _all(["rows=1 learning_rate_schedule=cosine"], ["vectors=1", "vectors=3"], _rates(0.05, 0.2)),
    ),
    "dreambooth": (
        _all(["steps=150 class_pictures=32", "steps=400 prior_weight=0"], _rates(2e-5, 1e-4), ["", "token="]),
        _all(["prior_weight=0"], _rates(1e-4, 4e-4), ["", "token="]),
    ),
    "lora": (
        _all(["steps=150", "steps=600"], _rates(5e-4, 2e-3), ["", "token="]),
        _all(_rates(2e-3, 8e-3), _COARSE),
    ),
    "imagic": (
        _all(["start=source"], ["steps=150 tuning_steps=150"], _rates(3e-3, 2e-2),
             ["tuning_rate=2e-5", "tuning_rate=1e-4"], ["eta=0.5", "eta=0.8"]),
        _all(["start=source"], _rates(5e-2), ["tuning_rate=1e-4", "tuning_rate=4e-4"], ["eta=0.5", "eta=0.8"]),
    ),
    "adapter": (_all([f"scale={scale:g}" for scale in (0.3, 0.4, 0.5, 0.65, 0.8, 1.0, 1.15, 1.3)]), []),
}  # fmt: skip


def tries(name: str) -> list[str]:
    """Return the lines that are tried of a method."""
    full, quick = GRIDS[name]
    return [f"{name} {changes}".strip() for changes in full] + [f"{name} {changes} seconds=fast" for changes in quick]


def guided(chosen: Mapping[str, Mapping[str, str]], own: float) -> list[str]:
    """Return the best lines that were found, with less and with more guidance than the model's own."""
    found = []
    for settings in chosen.values():
        for length, line in settings.items():
            if "guidance_scale" in line:
                continue
            end = " seconds=fast" if length == "quick" else ""
            found += [f"{line} guidance_scale={max(1.0, factor * own):.3g}{end}" for factor in GUIDANCES]
    return found


def score(result: Result) -> float:
    """Return the harmonic mean of what is scored: none makes up for another."""
    values = [result.shares[question].mean for question in SCORED if question in result.shares]
    return len(values) / sum(1 / value for value in values) if min(values) > 0 else 0.0


def best(found: Sequence[Result]) -> dict[str, dict[str, str]]:
    """Return the best line of each method at any length (`full`), and in the seconds of `fast` (`quick`)."""
    chosen: dict[str, dict[str, str]] = {}
    for result in sorted(found, key=score):
        name = result.line.split()[0]
        line, _, rest = result.line.partition(" seconds=")
        chosen.setdefault(name, {})["quick" if rest else "full"] = line
    return chosen


def _tried(options: Namespace, lines: Sequence[str]) -> list[Result]:
    contest = open_contest(options, lines)
    contest.show_costs(busy=options.busy)
    work = partial(compete, entries=contest.entries, plan=contest.plan)
    found = results(contest.entries, contest.timings, over_processes(contest.setting, work, options.processes))
    show_results(found, f"tries, {contest.size}; %")
    return found


def main() -> None:
    """Try all, print the tables and the best; write JSON."""
    parser = new_parser(__doc__)
    parser.add_argument("methods", nargs="+", choices=sorted(GRIDS))
    parser.add_argument("--write", action="store_true", help="put the best into tuned.json")
    parser.set_defaults(individuals=12, prompts=4, sampling_seeds=1, timing_repeats=1)
    options = parser.parse_args()
    if options.split != "development" or options.judge != "a":
        raise SystemExit("settings are chosen on development individuals with judge A")
    leave_the_cores()
    found = _tried(options, [line for name in options.methods for line in tries(name)])
    if more := guided(best(found), recipes_for(model_of(options))["fast"].edit.guidance_scale):
        found += _tried(options, more)
    chosen = best(found)
    print(dumps(chosen, indent=2))
    write(options.out, f"tuning-{options.world}-{'-'.join(options.methods)}", found)
    if options.write:
        everything = loads(TUNED.read_text())
        everything.setdefault(options.world, {}).update(chosen)
        TUNED.write_text(dumps(everything, indent=2) + "\n")


if __name__ == "__main__":
    main()
