"""How well tails carry the individual, and how well the edits follow their prompts, as a judge sees it.

`python -m bench.quality` compares recipes with floors (no tail, another individual's tail), a baseline (the looks that
the judge reads, put into the prompt) and a ceiling (the drawn truth through the VAE). Development individuals and judge
A are for tuning; `--split test --judge b` is for the last report only.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.cases import Case, cases
from bench.report import new_figure, require_plots, save_figure, show, write
from bench.scoring import LOOKS, SCENE, Marks, Scorer, Share, shares
from bench.studio import CRITTERS, Studio, Wish, with_scale
from core.diffusion.backbone import load_backbone
from core.recipes import recipes_for
from core.schemas import EditParams, Recipe
from pretrain.captions import full_caption, plain_caption
from pretrain.judge import Judge, open_judge
from pretrain.pictures import to_bytes, to_tensor
from pretrain.render import render
from pretrain.scenes import Scene

COLUMNS = ("identity", "twin", "text", *SCENE, *LOOKS, "leak pose", "leak place", "leak style")
Tails = Callable[[int], Tensor | None]


@dataclass(frozen=True)
class Row:
    """One way of making edits, and the shares of them that answer each question rightly."""

    way: str
    tail_scale: float | None
    shares: dict[str, Share]


@dataclass(frozen=True, eq=False)
class Trial:
    """Cases, with how many sampling seeds each prompt is tried, and who judges."""

    studio: Studio
    scorer: Scorer
    cases: Sequence[Case]
    seeds: int

    def run(self, way: str, params: EditParams, tails: Tails, prompts: Callable[[int, Scene], str]) -> Row:
        """Make all edits with case number -> tail and (case number, target) -> prompt, and mark them."""
        plan = self._plan()
        wishes = [Wish(prompts(number, target), tails(number), seed) for number, target, seed in plan]
        scale = None if wishes[0].tail is None else params.tail_scale
        return self.mark(way, scale, self.studio.pictures(wishes, params))

    def mark(self, way: str, scale: float | None, pictures: NDArray[np.uint8]) -> Row:
        """Mark one picture for each entry of the plan."""
        marks: list[list[Marks]] = [[] for _ in self.cases]
        for (number, target, _), picture in zip(self._plan(), pictures, strict=True):
            marks[number].append(self.scorer.marks(self.cases[number], target, picture))
        return Row(way, scale, shares(marks))

    def _plan(self) -> list[tuple[int, Scene, int]]:
        return [
            (number, target, 1000 * number + seed)
            for number, case in enumerate(self.cases)
            for target in case.targets
            for seed in range(self.seeds)
        ]

    def truth(self) -> Row:
        """Mark the ceiling: the drawn truth after a round trip through the VAE."""
        backbone = self.studio.backbone
        images = to_tensor(np.stack([np.asarray(render(target)) for _, target, _ in self._plan()]))
        decoded = [backbone.decode_latents(backbone.encode_image(batch)[0]) for batch in torch.split(images, 16)]
        return self.mark("the truth through the VAE", None, to_bytes(torch.cat(decoded)))


def plain(_number: int, target: Scene) -> str:
    """Return a prompt that says the scene and the species, and nothing else of the individual."""
    return plain_caption(target)


def read_captions(judge: Judge, found: Sequence[Case]) -> Callable[[int, Scene], str]:
    """Return a function that adds to the prompt all looks that the judge reads off the individual's only picture."""
    images = to_tensor(np.stack([np.asarray(render(case.source)) for case in found]))
    looks = judge.read(images)
    return lambda number, target: full_caption(target, looks[number])


def compare(
    trial: Trial,
    judge: Judge,
    known: dict[str, Recipe],
    *,
    recipes: Sequence[str],
    scales: Sequence[float],
    training_seeds: int,
) -> list[Row]:
    """Return floors, baseline, ceiling and every one of the `recipes` at every tail scale."""
    edit = known["fast"].edit
    rows = [trial.run("no tail", edit, lambda _: None, plain)]
    rows.append(trial.run("its looks in the prompt", edit, lambda _: None, read_captions(judge, trial.cases)))
    rows.append(trial.truth())
    for name in recipes:
        for seed in range(training_seeds):
            tails = _learn(trial, known[name], seed)
            label = f"{name}, seed {seed}"
            for scale in scales or (known[name].edit.tail_scale,):
                rows.append(trial.run(label, with_scale(known[name].edit, scale), tails.__getitem__, plain))
            if not seed:
                others = [*tails[1:], tails[0]]
                rows.append(trial.run(f"{name}, another's tail", known[name].edit, others.__getitem__, plain))
    return rows


def _learn(trial: Trial, recipe: Recipe, seed: int) -> list[Tensor]:
    """Return each case's tail (n, D)."""
    sources = [case.source for case in trial.cases]
    found = trial.studio.tails(sources, [seed] * len(sources), recipe.personalize)
    return [tail[recipe.personalize.steps] for tail in found]


def plot(rows: Sequence[Row], path: Path) -> None:
    """Draw identity against text; the tail scales of one recipe are joined."""
    figure, [axis] = new_figure(1, 6, 4)
    for way in dict.fromkeys(row.way for row in rows):
        mine = [row for row in rows if row.way == way]
        points = [(row.shares["text"].mean, row.shares["identity"].mean) for row in mine]
        axis.plot(*zip(*points, strict=True), marker="o", label=way)
    axis.set(xlabel="pose, place and style right, %", ylabel="right individual of 16, %")
    axis.legend(fontsize=7)
    save_figure(figure, path)


def main() -> None:
    """Print the table; write JSON and a plot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipes", nargs="+", default=["paper", "fast"])
    parser.add_argument("--scales", type=float, nargs="*", default=[])
    parser.add_argument("--split", default="development", choices=["development", "test"])
    parser.add_argument("--judge", default="a", choices=["a", "b"])
    parser.add_argument("--individuals", type=int, default=48)
    parser.add_argument("--training-seeds", type=int, default=3)
    parser.add_argument("--sampling-seeds", type=int, default=4)
    parser.add_argument("--model", type=Path, default=CRITTERS)
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    options = parser.parse_args()
    require_plots()
    judge = open_judge(options.judge, options.model / "judges" / f"judge_{options.judge}.safetensors")
    studio = Studio(load_backbone(str(options.model), name="bench"))
    trial = Trial(studio, Scorer(judge), cases(options.split, options.individuals), options.sampling_seeds)
    rows = compare(
        trial,
        judge,
        recipes_for(options.model),
        recipes=options.recipes,
        scales=options.scales,
        training_seeds=options.training_seeds,
    )
    cells = [[row.way, row.tail_scale or "", *(f"{row.shares[c].mean:.0f}" for c in COLUMNS)] for row in rows]
    show(f"edits that judge {options.judge} finds right, %", ["way", "scale", *COLUMNS], cells)
    write(options.out, f"quality-{options.split}-{options.judge}", rows)
    plot(rows, options.out / f"quality-{options.split}-{options.judge}.png")


if __name__ == "__main__":
    main()
