"""How soon a tail is good: identity and text over UNet calls and over seconds, for the reference, `paper` and `fast`.

`python -m bench.time_to_tail` first times a step of each way alone, in turns, and then learns the tails of many
individuals at once and marks what they give after more and more steps: what a tail is does not depend on its company.
The reference does the same maths as `paper`, so it has that one's quality and its own seconds. All edits are sampled as
`fast` says, each recipe with its own guidance and tail: what is compared is the tails.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from torch import Tensor

from bench.cores import CORES, leave_the_cores, with_the_cores
from bench.reference import reference_tail
from bench.report import Spread, new_figure, require_plots, save_figure, show, write
from bench.trials.cases import cases
from bench.trials.ground import CRITTERS_GROUND
from bench.trials.scoring import Share
from bench.trials.studio import CRITTERS, Studio
from bench.trials.trial import Row, Setting, Trial, over_processes
from core.diffusion.backbone import Backbone, load_backbone
from core.models.parameters import PersonalizeParams, Recipe
from core.models.recipes import recipes_for

REFERENCE = "reference, with previews"
PLAIN_REFERENCE = "reference, no previews"


@dataclass(frozen=True)
class Point:
    """A way after so many steps: the seconds that takes alone, and how good the tails are."""

    way: str
    steps: int
    seconds: float
    shares: dict[str, Share]


def step_seconds(backbone: Backbone, recipes: dict[str, Recipe], steps: int, repeats: int) -> dict[str, Spread]:
    """Return the seconds of a step of each way, measured in turns; `steps` at a time, a multiple of the previews'."""
    [source] = CRITTERS_GROUND.subject(cases("development", 1)[0])
    weights: list[Tensor] = list(backbone._unet.parameters())
    studio = Studio(backbone, quiet=True, threads=CORES)

    def reference(*, previews: bool) -> None:
        params = recipes["paper"].personalize.model_copy(update={"steps": steps})
        reference_tail(backbone, source.image, source.prompt, params, previews=previews, weights=weights)

    def ours(params: PersonalizeParams) -> None:
        studio.tails([[source]], [0], params.model_copy(update={"steps": steps}))

    ways: dict[str, Callable[[], None]] = {
        REFERENCE: lambda: with_the_cores(lambda: reference(previews=True)),
        PLAIN_REFERENCE: lambda: with_the_cores(lambda: reference(previews=False)),
    }
    for name, recipe in recipes.items():
        ways[name] = lambda params=recipe.personalize: ours(params)  # type: ignore[misc] # bound now
    times: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(repeats):
        for way, run in ways.items():
            began = time.perf_counter()
            run()
            times[way].append((time.perf_counter() - began) / steps)
    return {way: Spread.of(found) for way, found in times.items()}


def curves(trial: Trial, *, recipes: dict[str, Recipe], shares: Sequence[float]) -> list[Row]:
    """Return how good each recipe's tails are after parts of its steps, in the order of `looked_at`."""
    found = []
    for name, recipe in recipes.items():
        at = looked_at(recipe, shares)
        tails = trial.learn(recipe.personalize, 0, at)
        edit = recipe.edit.model_copy(
            update=recipes["fast"].edit.model_dump(include={"sampler", "num_inference_steps"})
        )
        found += [trial.run(f"{name} after {steps}", edit, tails[steps]) for steps in at]
    return found


def looked_at(recipe: Recipe, shares: Sequence[float]) -> list[int]:
    """Return the steps at which a recipe's tails are looked at: parts of all its steps."""
    return sorted({max(1, round(share * recipe.personalize.steps)) for share in shares})


def points(
    rows: Sequence[Row], recipes: dict[str, Recipe], seconds: dict[str, Spread], shares: Sequence[float]
) -> list[Point]:
    """Return the curves of all ways; the reference's are `paper`'s, with its own seconds."""
    steps = [(name, step) for name, recipe in recipes.items() for step in looked_at(recipe, shares)]
    found = []
    for (name, step), row in zip(steps, rows, strict=True):
        ways = [name, REFERENCE, PLAIN_REFERENCE] if name == "paper" else [name]
        found += [Point(way, step, step * seconds[way].median, row.shares) for way in ways]
    return found


def plot(found: Sequence[Point], path: Path) -> None:
    """Draw identity and text over seconds."""
    figure, axes = new_figure(2, 10, 4)
    for axis, question in zip(axes, ("identity", "text"), strict=True):
        for way in dict.fromkeys(point.way for point in found):
            mine = [point for point in found if point.way == way]
            axis.plot([p.seconds for p in mine], [p.shares[question].mean for p in mine], marker=".", label=way)
        axis.set(xlabel="seconds alone", ylabel=f"{question}, %", xscale="log")
    axes[0].legend(fontsize=7)
    save_figure(figure, path)


def main() -> None:
    """Print the tables; write JSON and a plot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--split", default="development", choices=["development", "test"])
    parser.add_argument("--judge", default="a", choices=["a", "b"])
    parser.add_argument("--individuals", type=int, default=48)
    parser.add_argument("--sampling-seeds", type=int, default=4)
    parser.add_argument("--shares", type=float, nargs="+", default=[0.05, 0.1, 0.2, 0.4, 0.7, 1.0])
    parser.add_argument("--timed-steps", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="a folder; what lies there of an earlier run is not made again")
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    options = parser.parse_args()
    require_plots()
    leave_the_cores()
    backbone = load_backbone(str(CRITTERS), name="bench")
    recipes = {name: recipes_for(CRITTERS)[name] for name in ("paper", "fast")}
    seconds = step_seconds(backbone, recipes, options.timed_steps, options.repeats)
    show("milliseconds a step, alone", ["way", "median (min-max)"], [(w, s.times(1000)) for w, s in seconds.items()])
    setting = Setting(CRITTERS, options.split, options.judge, options.individuals, options.sampling_seeds, options.keep)
    rows = over_processes(setting, partial(curves, recipes=recipes, shares=options.shares), options.processes)
    found = points(rows, recipes, seconds, options.shares)
    cells = [(p.way, p.steps, f"{p.seconds:.1f}", p.shares["identity"], p.shares["text"]) for p in found]
    show("time to a good tail", ["way", "steps", "seconds alone", "identity, %", "text, %"], cells)
    write(options.out, f"time-to-tail-{options.split}-{options.judge}", found)
    plot(found, options.out / f"time-to-tail-{options.split}-{options.judge}.png")


if __name__ == "__main__":
    main()
