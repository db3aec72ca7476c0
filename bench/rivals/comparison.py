"""Writes docs/comparison.md: individuals by every method side by side, and the table of the contest they are from.

`python -m bench.rivals.comparison FIGURES.json --methods …` takes up the pictures that a run of `bench.rivals` has kept
and the figures that it wrote; with the same options as that run, it makes nothing anew.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from bench.cores import leave_the_cores
from bench.rivals.contest import asks_of, drawn
from bench.rivals.lines import field_lines
from bench.rivals.options import Contest, new_parser, open_contest
from bench.rivals.table import QUESTIONS, of_bytes, of_seconds
from bench.trials.trial import Trial
from core.config import REPOSITORY

SHOWN = 5  # individuals
_LABEL, _GAP, _HEAD = 250, 4, 16  # pixels

Picture = NDArray[np.uint8]


def sheet(rows: Sequence[tuple[str, Sequence[Picture]]], head: Sequence[str]) -> Image.Image:
    """Return rows of pictures of one size behind their labels, under a head of a word for each column."""
    height, width = rows[0][1][0].shape[:2]
    columns = max(len(pictures) for _, pictures in rows)
    size = (_LABEL + columns * (width + _GAP), _HEAD + len(rows) * (height + _GAP))
    whole = Image.new("RGB", size, "white")
    ink, font = ImageDraw.Draw(whole), ImageFont.load_default(11)
    for column, word in enumerate(head):
        ink.text((_LABEL + column * (width + _GAP), 0), word, fill="black", font=font)
    for number, (label, pictures) in enumerate(rows):
        top = _HEAD + number * (height + _GAP)
        for line, part in enumerate(_wrapped(label)):
            ink.text((2, top + 12 * line), part, fill="black", font=font)
        for column, picture in enumerate(pictures):
            whole.paste(Image.fromarray(picture), (_LABEL + column * (width + _GAP), top))
    return whole


def _wrapped(label: str, most: int = 40) -> list[str]:
    lines = [""]
    for word in label.split():
        if lines[-1] and len(lines[-1]) + len(word) >= most:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def page(figures: dict[str, Any], size: str, split: str, judge: str, shown: Sequence[tuple[str, Sequence[str]]]) -> str:
    """Return the page: how it was made, the table, and each individual's file with the prompts of its columns."""
    machine = ", ".join(f"{name} {value}" for name, value in figures["machine"].items())
    lines = [
        "# The field side by side",
        "",
        f"Written by `python -m bench.rivals.comparison` from a run of `python -m bench.rivals`: {split} individuals, "
        f"judge {judge}, {size}. {machine}. [rivals.md](rivals.md) tells what the methods are and how they are judged.",
        "",
        "Per cent, with a bootstrap's 95 % interval over individuals. Seconds are those of learning one subject alone; "
        "`seconds=fast` has as many steps as take the time of `fast`.",
        "",
        *_table(figures["rows"]),
        "",
        "In the pictures the first column is the only picture that was learned from (the first one, where there were "
        "several), then one for each prompt, all with the same seed.",
    ]
    for name, prompts in shown:
        lines += ["", f"![{prompts[0]}]({name})", "", *(f"{n}. {prompt}" for n, prompt in enumerate(prompts, 1))]
    return "\n".join(lines) + "\n"


def _table(rows: Sequence[dict[str, Any]]) -> list[str]:
    asked = [question for question in QUESTIONS if question in rows[0]["shares"]]
    head = ["method", "steps", "seconds", "kept", "users a minute", *asked]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for row in rows:
        shares = [row["shares"][question] for question in asked]
        cells = [
            f"`{row['line']}`",
            str(row["steps"]),
            of_seconds(row["seconds"], per_prompt=row["per_prompt"]),
            of_bytes(row["bytes_kept"]),
            f"{row['users_a_minute']:.1f}",
        ]
        cells += [f"{share['mean']:.0f} ({share['low']:.0f}-{share['high']:.0f})" for share in shares]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def individuals(contest: Contest, shown: int) -> list[tuple[str, list[str], Image.Image]]:
    """Return a name, the prompts, and the sheet of each of the first individuals; the first seed of every prompt."""
    ground, plan = contest.setting.ground, contest.plan
    cases = ground.cases(contest.setting.split, shown)
    trial = Trial.open(contest.setting, cases, quiet=True)
    stage, asks = plan.stage(trial), asks_of(trial, plan)
    rows: dict[int, list[tuple[str, list[Picture]]]] = {case.number: [] for case in cases}
    for entry in contest.entries:
        for case, pictures in drawn(trial, stage, entry, asks):
            source = ground.draw(ground.scenes(case, 1)[0])
            rows[case.number].append((entry.line, [source, *pictures[:: plan.seeds]]))
    found = []
    for case in cases:
        targets = plan.targets(case)
        truth = [ground.draw(ground.scenes(case, 1)[0]), *(ground.draw(target) for target in targets)]
        prompts = [ground.caption(target) for target in targets]
        head = ["learned from", *map(str, range(1, len(prompts) + 1))]
        name = f"comparison-{contest.setting.world}-{case.number}.webp"
        found.append((name, prompts, sheet([("as it would be drawn", truth), *rows[case.number]], head)))
    return found


def main() -> None:
    """Write the page and its pictures."""
    parser = new_parser(__doc__)
    parser.add_argument("figures", type=Path, help="what the run wrote: build/bench/rivals-….json")
    parser.add_argument("--methods", nargs="+", help="lines; without them the whole field")
    parser.add_argument("--docs", type=Path, default=REPOSITORY / "docs")
    options = parser.parse_args()
    leave_the_cores()
    lines = options.methods or field_lines(options.world, adapter=options.adapter is not None)
    contest = open_contest(options, lines)
    options.docs.mkdir(parents=True, exist_ok=True)
    shown = individuals(contest, min(SHOWN, options.individuals))
    for name, _, picture in shown:
        picture.save(options.docs / name, quality=90)
    figures = json.loads(options.figures.read_text())
    text = page(figures, contest.size, options.split, options.judge, [(name, prompts) for name, prompts, _ in shown])
    (options.docs / "comparison.md").write_text(text)
    print(options.docs / "comparison.md")


if __name__ == "__main__":
    main()
