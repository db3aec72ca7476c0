"""Chooses every method's settings on development individuals with judge A: as many tries for each.

`python -m bench.rivals.tune inversion lora --individuals 12 --prompts 4` tries eight settings of each method at any
length and four in the seconds of `fast`, and names the best by the harmonic mean of identity and text; `--write` puts
them into `tuned.json`, where the whole field finds them. The model's `fast` was tuned before, with more tries.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import product
from json import dumps, loads

from bench.cores import leave_the_cores
from bench.report import write
from bench.rivals.contest import compete
from bench.rivals.lines import TUNED
from bench.rivals.options import new_parser, open_contest
from bench.rivals.table import Result, results, show_results
from bench.trials.trial import over_processes

FULL, QUICK = 8, 4  # tries


def _all(*choices: Sequence[str]) -> list[str]:
    return [" ".join(part for part in parts if part) for parts in product(*choices)]


def _rates(*rates: float) -> list[str]:
    return [f"learning_rate={rate:g}" for rate in rates]


_COARSE = ["", "timestep_low=400 timestep_high=900"]
GRIDS: dict[str, tuple[list[str], list[str]]] = {
    "sdedit": ([f"strength={kept / 12 + 0.001:.3f}" for kept in range(4, 12)], []),
    "inversion": (
        _all(["rows=1 learning_rate_schedule=cosine"], ["steps=300"], ["vectors=1", "vectors=3"], _rates(0.01, 0.05),
             _COARSE),
        _all(["rows=1 learning_rate_schedule=cosine"], ["vectors=1", "vectors=3"], _rates(0.05, 0.2)),
    ),
    "dreambooth": (
        _all(["steps=150", "steps=300"], ["class_pictures=32"], _rates(2e-5, 1e-4), _COARSE),
        _all(["prior_weight=0"], _rates(1e-4, 4e-4), _COARSE),
    ),
    "lora": (
        _all(["steps=150", "steps=300"], _rates(5e-4, 2e-3), _COARSE),
        _all(_rates(2e-3, 8e-3), _COARSE),
    ),
    "imagic": (
        _all(["start=source"], ["steps=150 tuning_steps=150"], _rates(3e-3, 2e-2),
             ["tuning_rate=2e-5", "tuning_rate=1e-4"], ["eta=0.5", "eta=0.8"]),
        _all(["start=source"], _rates(5e-2), ["tuning_rate=1e-4", "tuning_rate=4e-4"], ["eta=0.5", "eta=0.8"]),
    ),
    "adapter": (_all([f"scale={scale:g}" for scale in (0.5, 0.8, 1.0, 1.3)], ["", "guidance_scale=5"]), []),
}  # fmt: skip


def tries(name: str) -> list[str]:
    """Return the lines that are tried of a method."""
    full, quick = GRIDS[name]
    return [f"{name} {changes}".strip() for changes in full] + [f"{name} {changes} seconds=fast" for changes in quick]


def score(result: Result) -> float:
    """Return the harmonic mean of identity and text: neither makes up for the other."""
    identity, text = (result.shares[question].mean for question in ("identity", "text"))
    return 2 * identity * text / (identity + text) if identity + text else 0.0


def best(found: Sequence[Result]) -> dict[str, dict[str, str]]:
    """Return the best line of each method at any length (`full`), and in the seconds of `fast` (`quick`)."""
    chosen: dict[str, dict[str, str]] = {}
    for result in sorted(found, key=score):
        name = result.line.split()[0]
        line, _, rest = result.line.partition(" seconds=")
        chosen.setdefault(name, {})["quick" if rest else "full"] = line
    return chosen


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
    contest = open_contest(options, [line for name in options.methods for line in tries(name)])
    contest.show_costs(busy=options.busy)
    work = partial(compete, entries=contest.entries, plan=contest.plan)
    found = results(contest.entries, contest.timings, over_processes(contest.setting, work, options.processes))
    show_results(found, f"tries, {contest.size}; %")
    chosen = best(found)
    print(dumps(chosen, indent=2))
    write(options.out, f"tuning-{options.world}-{'-'.join(options.methods)}", found)
    if options.write:
        everything = loads(TUNED.read_text())
        everything.setdefault(options.world, {}).update(chosen)
        TUNED.write_text(dumps(everything, indent=2) + "\n")


if __name__ == "__main__":
    main()
