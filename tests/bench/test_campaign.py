"""Parts of a fault campaign, added up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.fault.campaign import DifferentPartsError, add_up, counts, go_on, parts_in, rows_of


def part(seed: int, *, faults: int, storage: str = "folder", lost: dict[str, str] | None = None) -> dict[str, Any]:
    numbers = {"faults": faults, "hit": faults, "lost": len(lost or {}), "doubled": 0, "failed": 0, "leaked": 0}
    recoveries = [float(seed)] * faults
    return {
        "options": {"storage": storage, "quick": True, "clients": 2, "steps": [5, 9], "only": [], "seed": seed},
        "strikes": [{}] * faults,
        "accepted": 10 * faults,
        "rows": [{"kind": kind, "recoveries": recoveries, **numbers} for kind in ("worker killed", "all")],
        "killers": [{"ended": "failed", "crashes": 3, "innocents": 7, "last_end_s": 9.0}],
        **{name: {} for name in ("doubled", "failed", "leaked")},
        "lost": lost or {},
    }


def enough_faults(wanted: int) -> Any:
    return lambda parts: counts(parts)[0] >= wanted


def test_a_campaign_that_was_cut_off_goes_on_with_the_part_it_was_in(tmp_path: Path) -> None:
    run_seeds: list[int] = []

    def run(seed: int) -> dict[str, Any]:
        run_seeds.append(seed)
        if run_seeds == [7, 8]:
            raise KeyboardInterrupt
        return part(seed, faults=2)

    with pytest.raises(KeyboardInterrupt):
        go_on(tmp_path, 7, enough_faults(6), run)
    assert go_on(tmp_path, 7, enough_faults(6), run) == 3
    assert run_seeds == [7, 8, 8, 9]
    assert counts(parts_in(tmp_path)) == (6, 60)


def test_figures_of_a_kind_are_added_up() -> None:
    [killed, everything] = rows_of([part(1, faults=2), part(3, faults=1)])
    assert (killed.kind, killed.faults, killed.recoveries) == ("worker killed", 3, (1.0, 1.0, 3.0))
    assert (everything.kind, everything.hit, everything.lost) == ("all", 3, 0)


def test_parts_of_different_campaigns_are_not_added_up() -> None:
    with pytest.raises(DifferentPartsError, match="storage"):
        rows_of([part(1, faults=1), part(2, faults=1, storage="s3")])


def test_what_is_wrong_in_one_part_is_wrong_in_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert add_up([part(1, faults=1), part(2, faults=1)])
    assert not add_up([part(1, faults=1), part(2, faults=1, lost={"job_1": "it has no end"})])
    assert "lost: job_1: it has no end" in capsys.readouterr().out
