"""How many jobs one engine does a minute, against one job at a time and against the bare model.

Personalizations are cut short to `--steps`; the jobs a minute are those of the fast recipe at its full length.

`python -m bench.throughput` takes some minutes; nothing else should run on the machine.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from bench.cores import CORES, leave_the_cores, with_the_cores
from bench.report import Spread, new_figure, require_plots, save_figure, show, write
from bench.trials.studio import CRITTERS
from core.diffusion import hiper
from core.diffusion.backbone import Backbone, load_backbone
from core.diffusion.learning.sources import Source
from core.diffusion.requests import Routine
from core.diffusion.stack import stack_conditioning
from core.models.recipes import recipes_for
from worker.engine import Engine, Kind

PROMPT = "a standing dog"


@dataclass(frozen=True)
class Row:
    """Steps a second at one number of concurrent jobs; a step of an edit is two rows of the UNet."""

    kind: Kind
    jobs: int
    per_minute: Spread  # whole jobs of the recipe
    engine: Spread
    bare: Spread
    share_of_bare: Spread
    times_one_at_a_time: Spread
    share_in_model_calls: Spread


def recipe_steps(kind: Kind) -> int:
    """Return how many steps a whole job of the embedded model's fast recipe has."""
    recipe = recipes_for(CRITTERS)["fast"]
    return recipe.personalize.steps if kind == "personalize" else recipe.edit.num_inference_steps


def make_routine(backbone: Backbone, kind: Kind, steps: int, seed: int) -> Routine[Any]:
    """Return a job of so many steps with the embedded model's fast recipe."""
    recipe = recipes_for(CRITTERS)["fast"]
    if kind == "personalize":
        image = torch.rand(3, backbone.image_size, backbone.image_size, generator=torch.Generator().manual_seed(seed))
        params = recipe.personalize.model_copy(update={"steps": steps})
        sources = [Source(image * 2 - 1, PROMPT)]
        return hiper.personalize(sources=sources, params=params, schedule=backbone.schedule, seed=seed)
    edit = recipe.edit.model_copy(update={"num_inference_steps": steps})
    tail = backbone.encode_prompt([PROMPT])[0].tail(recipe.personalize.positions)
    return hiper.edit(
        prompt=PROMPT,
        tail=tail,
        params=edit,
        schedule=backbone.schedule,
        latent_shape=backbone.latent_shape,
        seed=seed,
        source_prompts=[PROMPT],
    )


def engine_rate(backbone: Backbone, kind: Kind, jobs: int, steps: int, *, at_once: bool) -> tuple[float, float]:
    """Return steps a second of so many jobs in one engine, and the share of the time spent in model calls."""
    made = [make_routine(backbone, kind, steps, seed) for seed in range(jobs)]
    engine = Engine(num_threads=CORES)
    engine.start()
    began = time.perf_counter()
    tickets = []
    for job in made:
        tickets.append(engine.submit(job, backbone=backbone, kind=kind, name=kind))
        if not at_once:
            tickets[-1].result()
    for ticket in tickets:
        ticket.result()
    seconds = time.perf_counter() - began
    calls = sum(call.seconds for name, call in engine.stats().requests.items() if name != "AdamStep")
    engine.stop()
    return jobs * steps / seconds, calls / seconds


def bare_rate(backbone: Backbone, kind: Kind, jobs: int, calls: int) -> float:
    """Return steps a second of nothing but the model's calls at the batch that so many jobs make.

    Edits end in one call of the VAE's decoder, as they must anywhere.
    """
    rows = jobs if kind == "personalize" else 2 * jobs
    latents, timesteps = torch.randn(rows, *backbone.latent_shape), torch.full((rows,), 300)
    sequences = stack_conditioning(backbone.encode_prompt([PROMPT] * rows))
    gradient = kind == "personalize"
    began = time.perf_counter()
    for _ in range(calls):
        sequence = sequences.sequence.clone().requires_grad_(gradient)
        with torch.set_grad_enabled(gradient):
            output = backbone.predict(latents, timesteps, type(sequences)(sequence))
            if gradient:
                torch.autograd.grad(output.square().mean(), sequence)
    if kind == "edit":
        backbone.decode_latents(latents[:jobs])
    return jobs * calls / (time.perf_counter() - began)


def measure(backbone: Backbone, kind: Kind, jobs: int, *, steps: int, repeats: int) -> Row:
    """Measure engine, one at a time and the bare model alternately, so that a change of the machine meets all three."""
    engine, bare, alone, inside = [], [], [], []
    for _ in range(repeats):
        bare.append(with_the_cores(lambda: bare_rate(backbone, kind, jobs, steps)))
        rate, share = engine_rate(backbone, kind, jobs, steps, at_once=True)
        engine.append(rate)
        inside.append(share)
        alone.append(engine_rate(backbone, kind, min(jobs, 2), steps, at_once=False)[0])
    return Row(
        kind,
        jobs,
        Spread.of(engine).times(60 / recipe_steps(kind)),
        Spread.of(engine),
        Spread.of(bare),
        Spread.of([e / b for e, b in zip(engine, bare, strict=True)]),
        Spread.of([e / a for e, a in zip(engine, alone, strict=True)]),
        Spread.of(inside),
    )


def plot(rows: list[Row], path: Path) -> None:
    """Draw steps a second over concurrent jobs, engine and bare model."""
    figure, axes = new_figure(2, 9, 3.5)
    for axis, kind in zip(axes, ("personalize", "edit"), strict=True):
        mine = [row for row in rows if row.kind == kind]
        lines: list[tuple[str, Callable[[Row], Spread]]] = [("engine", lambda r: r.engine), ("bare", lambda r: r.bare)]
        for label, of in lines:
            axis.plot([row.jobs for row in mine], [of(row).median for row in mine], marker="o", label=label)
        axis.set(title=kind, xlabel="concurrent jobs", ylabel="steps a second", ylim=(0, None))
        axis.legend()
    save_figure(figure, path)


def main() -> None:
    """Measure both kinds at several numbers of jobs; print the table, write JSON and a plot."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=str(CRITTERS))
    parser.add_argument("--jobs", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    options = parser.parse_args()
    require_plots()
    leave_the_cores()
    backbone = load_backbone(options.model, name="bench")
    kinds: tuple[Kind, ...] = ("personalize", "edit")
    with_the_cores(lambda: bare_rate(backbone, "personalize", 2, 3))  # warm
    rows = [
        measure(backbone, kind, jobs, steps=min(options.steps, recipe_steps(kind)), repeats=options.repeats)
        for kind in kinds
        for jobs in options.jobs
    ]
    columns = [
        "kind",
        "jobs",
        "jobs/minute",
        "engine, steps/s",
        "bare model",
        "engine / bare",
        "x one at a time",
        "in model calls",
    ]
    cells = [
        (r.kind, r.jobs, r.per_minute, r.engine, r.bare, r.share_of_bare, r.times_one_at_a_time, r.share_in_model_calls)
        for r in rows
    ]
    show("throughput of one engine: median (min-max)", columns, cells)
    write(options.out, "throughput", rows)
    plot(rows, options.out / "throughput.png")


if __name__ == "__main__":
    main()
