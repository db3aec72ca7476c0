"""Tables, JSON and plots of a benchmark, with the machine in the header."""

from __future__ import annotations

import json
import math
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from bench.cores import CORES
from core.cpus import usable_cpus


@dataclass(frozen=True)
class Spread:
    """A quantity measured several times: median, least and most."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Return the spread of some measurements."""
        return cls(statistics.median(values), min(values), max(values))

    def times(self, factor: float) -> Spread:
        """Return the same in another unit."""
        return Spread(self.median * factor, self.least * factor, self.most * factor)

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.least:.2f}-{self.most:.2f})"


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that so many per cent of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def machine() -> dict[str, str]:
    """Return what a figure depends on beside the code."""
    return {
        "machine": f"{platform.machine()}, {usable_cpus()} cores, {platform.system()}",
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "python": platform.python_version(),
        "threads": str(CORES),
        "load": " ".join(f"{load:.1f}" for load in os.getloadavg()),
        **{name: version(name) for name in ("torch", "diffusers", "transformers")},
    }


def show(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table under the machine it was measured on."""
    table = Table(*columns, title=title, title_justify="left")
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    console = Console(width=max(120, 12 * len(columns)))
    console.print("  ".join(f"{name} {value}" for name, value in machine().items()))
    console.print(table)


def write(folder: Path, name: str, rows: Sequence[object]) -> None:
    """Write dataclass rows with the machine's facts as JSON."""
    folder.mkdir(parents=True, exist_ok=True)
    document = {"machine": machine(), "rows": [asdict(row) for row in rows]}  # type: ignore[call-overload] # dataclasses
    (folder / f"{name}.json").write_text(json.dumps(document, indent=2) + "\n")


def require_plots() -> None:
    """Say at once, and not after hours of measuring, that the plots can't be drawn. Raises SystemExit."""
    if find_spec("matplotlib") is None:
        raise SystemExit('matplotlib is missing: pip install -e ".[bench]"')


def new_figure(columns: int, width: float, height: float) -> tuple[Any, list[Any]]:
    """Return a figure of so many plots side by side, in inches, and its axes; it is only ever written to a file."""
    import matplotlib as mpl  # noqa: PLC0415 - only plots need it, and the backend must be chosen first

    mpl.use("agg")
    from matplotlib import pyplot  # noqa: PLC0415

    figure, axes = pyplot.subplots(1, columns, figsize=(width, height), squeeze=False)
    return figure, list(axes[0])


def save_figure(figure: Any, path: Path) -> None:
    """Write a figure as PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.tight_layout()
    figure.savefig(path)
