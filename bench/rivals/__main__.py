"""HiPer beside the field: Textual Inversion, DreamBooth, LoRA, Imagic, SDEdit, an adapter, and bare words.

`python -m bench.rivals` learns and draws the same individuals with every method, with the same prompts, seeds and
judges as `bench.quality`, and says what each costs. A line names a method with changes to its settings, as in
`--methods fast "dreambooth steps=200 pictures=4" "inversion seconds=fast"`; without them it is the whole field.
Pictures that were made before are taken up from `--keep`. The judge does not matter for them.
"""

from __future__ import annotations

from functools import partial

from bench.cores import leave_the_cores
from bench.quality import show_slopes
from bench.report import require_plots, write
from bench.rivals.contest import compete
from bench.rivals.lines import field_lines
from bench.rivals.options import new_parser, open_contest
from bench.rivals.table import plot, results, show_results
from bench.trials.trial import over_processes


def main() -> None:
    """Time the methods, hold the contest, print the tables; write JSON and plots."""
    parser = new_parser(__doc__)
    parser.add_argument("--methods", nargs="+", help="lines; without them the whole field")
    parser.add_argument("--estimate", action="store_true", help="time the methods, say how long it all takes, and end")
    options = parser.parse_args()
    require_plots()
    leave_the_cores()
    lines = options.methods or field_lines(options.world, adapter=options.adapter is not None)
    contest = open_contest(options, lines)
    contest.show_costs(busy=options.busy)
    if options.estimate:
        return
    work = partial(compete, entries=contest.entries, plan=contest.plan)
    rows = over_processes(contest.setting, work, options.processes)
    found = results(contest.entries, contest.timings, rows)
    show_results(found, f"{options.split}, judge {options.judge}, {contest.size}; %")
    if options.world == "menagerie":
        show_slopes(rows)
    name = f"rivals-{options.world}-{options.split}-{options.judge}"
    write(options.out, name, found)
    plot(found, options.out / name)


if __name__ == "__main__":
    main()
