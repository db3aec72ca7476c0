"""How well tails carry the individual, and how well the edits follow their prompts, as a judge sees it.

`python -m bench.quality` compares recipes with floors (no tail, another individual's tail), a baseline (the looks that
judge A reads, put into the prompt) and ceilings (its own name, where the UNet was taught names; the drawn truth
through the VAE). A recipe may be named with changes, `--recipes "fast steps=100 tail_scale=1.2"`, which is how recipes
are tuned. Development individuals and judge A are for tuning; `--split test --judge b` is for the last report only.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.alike.scoring import slopes
from bench.report import new_figure, require_plots, save_figure, show, write
from bench.trials.scoring import Share
from bench.trials.studio import CRITTERS
from bench.trials.trial import GROUNDS, Row, Setting, Trial, over_processes, pooled
from bench.trials.variants import Variant, read_variant
from core.models.recipes import recipes_for

NO_TAIL = "no tail"
ITS_NAME = "its own name"


@dataclass(frozen=True)
class Result:
    """A row as it is written down; `against_first` is identity and text minus the first recipe's, in points."""

    way: str
    tail_scale: float | None
    shares: dict[str, Share]
    against_first: dict[str, Share] | None


def compare(
    trial: Trial, *, variants: Sequence[Variant], scales: Sequence[float], training_seeds: int, references: bool
) -> list[Row]:
    """Return every variant at its own and the other tail scales; the floors, baseline and ceiling with `references`.

    Only a variant's own scale is tried with all training seeds; the floors are the last variant's.
    """
    rows = _references(trial, variants[-1]) if references else []
    for variant in variants:
        edit = variant.recipe.edit
        for seed in range(training_seeds):
            learned = trial.learn(variant.recipe.personalize, seed, pictures=variant.pictures)
            tails = learned[variant.recipe.personalize.steps]
            rows.append(trial.run(f"{variant.name}, seed {seed}", edit, tails))
            if not seed:
                for scale in scales:
                    other = edit.model_copy(update={"tail_scale": scale})
                    rows.append(trial.run(f"{variant.name}, scale {scale:g}", other, tails))
            if not seed and references and variant is variants[-1]:
                rows.append(trial.run(f"{variant.name}, another's tail", edit, tails.passed_on()))
    return rows


def _references(trial: Trial, variant: Variant) -> list[Row]:
    edit = variant.recipe.edit
    elsewhere, named = trial.truth_elsewhere(), trial.named()
    added = edit.model_copy(update={"tail_mode": "residual", "tail_scale": 1.0})
    return [
        trial.run(NO_TAIL, edit, trial.no_tails()),
        trial.run("its looks in the prompt", edit, trial.no_tails(), trial.captions_read()),
        *([trial.run(ITS_NAME, added, named)] if named else []),
        trial.truth(),
        *([elsewhere] if elsewhere else []),
    ]


def with_pools(rows: Sequence[Row], variants: Sequence[Variant]) -> list[Row]:
    """Return the rows, and for each variant with several training seeds one of all of them."""
    found = list(rows)
    for variant in variants:
        seeds = [row for row in rows if row.way.startswith(f"{variant.name}, seed ")]
        if len(seeds) > 1:
            found.append(pooled(f"{variant.name}, all seeds", seeds))
    return found


def results(rows: Sequence[Row], first: Variant) -> list[Result]:
    """Return the rows' shares, and the differences to the first variant's, paired over individuals."""
    base = [row for row in rows if row.way in (f"{first.name}, all seeds", f"{first.name}, seed 0")][-1]
    return [
        Result(
            row.way,
            row.tail_scale,
            row.shares,
            None if row is base else {question: row.minus(base, question) for question in ("identity", "text")},
        )
        for row in rows
    ]


def plot(rows: Sequence[Row], variants: Sequence[Variant], path: Path) -> None:
    """Draw identity against text; the tail scales of one recipe are joined."""
    figure, [axis] = new_figure(1, 6, 4)
    for variant in variants:
        curve = [r for r in rows if r.way.startswith((f"{variant.name}, scale", f"{variant.name}, seed 0"))]
        curve.sort(key=lambda row: row.tail_scale or 0)
        points = [(row.shares["text"].mean, row.shares["identity"].mean) for row in curve]
        axis.plot(*zip(*points, strict=True), marker="o", label=variant.name)
        for row, point in zip(curve, points, strict=True):
            axis.annotate(f"{row.tail_scale:g}", point, fontsize=6)
    for row in rows:
        if row.tail_scale is None or row.way.endswith((ITS_NAME, "another's tail")):
            axis.plot(row.shares["text"].mean, row.shares["identity"].mean, "x", label=row.way)
    axis.set(xlabel="pose, place and style right, %", ylabel="right individual of 16, %")
    axis.legend(fontsize=6)
    save_figure(figure, path)


def _mean(row: Row, question: str) -> str:
    return f"{row.shares[question].mean:.0f}" if question in row.shares else ""


def show_slopes(rows: Sequence[Row]) -> None:
    """Print how the looks that no word tells follow the truth, edits against truth: slope and correlation."""
    by_row = [slopes(list(row.marks.values())) for row in rows]
    names = list(dict.fromkeys(name for found in by_row for name in found))
    cells = [[name, *(str(found.get(name, "")) for found in by_row)] for name in names]
    show("slopes of unworded looks (correlation)", ["look", *(row.way for row in rows)], cells)


def main() -> None:
    """Print the tables; write JSON and a plot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipes", nargs="+", default=["paper", "fast"], help="names, each with changes if wanted")
    parser.add_argument("--scales", type=float, nargs="*", default=[], help="more tail scales, with the first seed")
    parser.add_argument("--split", default="development", choices=["development", "test"])
    parser.add_argument("--judge", default="a", choices=["a", "b"])
    parser.add_argument("--individuals", type=int, default=48)
    parser.add_argument("--training-seeds", type=int, default=3)
    parser.add_argument("--sampling-seeds", type=int, default=4)
    parser.add_argument("--only-recipes", action="store_true", help="leave out floors, baseline and ceiling")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="a folder; what lies there of an earlier run is not made again")
    parser.add_argument("--world", default="critters", choices=sorted(GROUNDS), help="what the model draws")
    parser.add_argument("--model", type=Path, help="its folder; without it the world's own")
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    options = parser.parse_args()
    require_plots()
    model = options.model or CRITTERS.with_name(options.world)
    known = recipes_for(model)
    variants = [read_variant(line, known) for line in options.recipes]
    setting = Setting(
        model, options.split, options.judge, options.individuals, options.sampling_seeds, options.keep, options.world
    )
    columns = setting.ground.columns
    work = partial(
        compare,
        variants=variants,
        scales=options.scales,
        training_seeds=options.training_seeds,
        references=not options.only_recipes,
    )
    rows = with_pools(over_processes(setting, work, options.processes), variants)
    found = results(rows, variants[0])
    cells = [[row.way, row.tail_scale or "", *(_mean(row, column) for column in columns)] for row in rows]
    show(f"edits that judge {options.judge} finds right, %", ["way", "scale", *columns], cells)
    pairs = [(r.way, r.shares["identity"], r.shares["text"], *(r.against_first or {}).values()) for r in found]
    head = ["way", "identity, %", "text, %", f"identity - {variants[0].name}", f"text - {variants[0].name}"]
    show("with 95 % intervals over individuals, differences paired", head, pairs)
    if options.world == "menagerie":
        show_slopes(rows)
    name = f"quality-{options.split}-{options.judge}"
    write(options.out, name, found)
    plot(rows, variants, options.out / f"{name}.png")


if __name__ == "__main__":
    main()
