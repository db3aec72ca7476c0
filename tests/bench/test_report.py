from __future__ import annotations

import json
from pathlib import Path

from bench.report import Spread, percentile, write


def test_a_spread_is_median_least_and_most() -> None:
    assert Spread.of([3, 1, 2]) == Spread(2, 1, 3)
    assert Spread(2, 1, 3).times(10) == Spread(20, 10, 30)


def test_a_percentile_is_one_of_the_values() -> None:
    assert [percentile(range(1, 101), percent) for percent in (0, 50, 95, 100)] == [1, 50, 95, 100]
    assert percentile([7.0], 95) == 7


def test_results_are_written_with_the_machine_they_were_measured_on(tmp_path: Path) -> None:
    write(tmp_path / "new", "spreads", [Spread(2, 1, 3)])
    written = json.loads((tmp_path / "new" / "spreads.json").read_text())
    assert written["rows"] == [{"median": 2, "least": 1, "most": 3}]
    assert {"device", "python", "torch", "threads"} <= set(written["machine"])
