"""The contest's result: how good each method is, what it costs, and by how much `fast` differs from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.report import new_figure, save_figure, show
from bench.rivals.lines import Entry
from bench.rivals.timing import Timing
from bench.trials.scoring import Share
from bench.trials.trial import Row

QUESTIONS = ("identity", "twin", "alike", "precision", "halfway", "text", "leak place")
COMPARED = ("identity", "twin", "alike", "text")
_NO_BYTES = 1  # where those who keep nothing stand on an axis that has no zero


@dataclass(frozen=True)
class Result:
    """One line of the contest; `fast_leads` is `fast` minus this line in points, paired over individuals.

    `fast` from as many pictures as this line has, where it was run.
    """

    line: str
    steps: int
    seconds: float
    bytes_kept: int
    users_a_minute: float
    per_prompt: bool
    timing: Timing
    shares: dict[str, Share]
    fast_leads: dict[str, Share]


def results(entries: Sequence[Entry], timings: Sequence[Timing], rows: Sequence[Row]) -> list[Result]:
    """Return the lines with what they cost; the lead is that of `fast`, or of the first line without it."""
    fast = {
        entry.pictures: row
        for entry, row in zip(entries, rows, strict=True)
        if entry.line in ("fast", f"fast pictures={entry.pictures}")
    }
    found = []
    for entry, timing, row in zip(entries, timings, rows, strict=True):
        first = fast.get(entry.pictures) or fast.get(1, rows[0])
        result = Result(
            entry.line,
            timing.steps,
            round(timing.seconds, 3),
            timing.bytes_kept,
            round(timing.per_minute, 2),
            entry.method.per_prompt,
            timing,
            {question: row.shares[question] for question in QUESTIONS if question in row.shares},
            {question: first.minus(row, question) for question in COMPARED if question in row.shares},
        )
        found.append(result)
    return found


def show_results(found: Sequence[Result], title: str) -> None:
    """Print the table, and the leads of `fast` with their intervals."""
    asked = [question for question in QUESTIONS if question in found[0].shares]
    cells = [
        [
            result.line,
            result.steps or "",
            of_seconds(result.seconds, per_prompt=result.per_prompt),
            of_bytes(result.bytes_kept),
            f"{result.users_a_minute:.1f}",
            *(str(result.shares[question]) if question in result.shares else "" for question in asked),
        ]
        for result in found
    ]
    show(title, ["method", "steps", "seconds alone", "kept", "users a minute", *asked], cells)
    compared = list(found[0].fast_leads)
    leads = [[result.line, *(str(result.fast_leads[question]) for question in compared)] for result in found]
    show("fast minus the method, points, paired over individuals, 95 %", ["method", *compared], leads)


def of_seconds(seconds: float, *, per_prompt: bool) -> str:
    """Return the seconds of learning as people read them; some methods learn for each prompt anew."""
    return f"{seconds:.1f}{' a prompt' if per_prompt else ''}"


def of_bytes(count: int) -> str:
    """Return a size as people read it."""
    if count < 1000:
        return f"{count} B"
    return f"{count / 1e3:.1f} kB" if count < 1_000_000 else f"{count / 1e6:.1f} MB"


def plot(found: Sequence[Result], path: Path) -> None:
    """Draw what is asked over the seconds of learning, and over the bytes kept: two figures."""
    asked = [q for q in ("identity", "twin", "alike", "text", "leak place") if q in found[0].shares]
    seconds = [max(0.01, result.seconds) for result in found]
    of_kept = [float(max(_NO_BYTES, result.bytes_kept)) for result in found]
    for name, values, label in (("seconds", seconds, "seconds to learn"), ("bytes", of_kept, "bytes kept")):
        figure, [*axes, beside] = new_figure(len(asked) + 1, 4 * (len(asked) + 1), 4.5)
        for axis, question in zip(axes, asked, strict=True):
            _scatter(axis, found, values, question)
            axis.set(xlabel=label, ylabel=f"{question}, %", xscale="log", ylim=(-3, 103))
        beside.legend(*axes[0].get_legend_handles_labels(), fontsize=5, loc="center left")
        beside.axis("off")
        save_figure(figure, path.with_name(f"{path.name}-{name}.png"))


def _scatter(axis: object, found: Sequence[Result], values: Sequence[float], question: str) -> None:
    """Draw one question: a color for each method, a marker for how it came here."""
    names = list(dict.fromkeys(result.line.split()[0] for result in found))
    for result, value in zip(found, values, strict=True):
        if question not in result.shares:
            continue
        share = result.shares[question]
        marker = "^" if "seconds=" in result.line else "s" if "pictures=" in result.line else "o"
        color = f"C{names.index(result.line.split()[0]) % 10}"
        spread = [[share.mean - share.low], [share.high - share.mean]]
        axis.errorbar(value, share.mean, spread, marker=marker, color=color, label=result.line, lw=0.5)  # type: ignore[attr-defined]
