"""Many runs of the fault suite as one: each part keeps its figures, and all of them are added up."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from bench.fault.kinds import Kind
from bench.fault.verdict.audit import Findings
from bench.fault.verdict.recovery import KillerCase
from bench.fault.verdict.tables import ALL, Row, show_all

SAME = ("storage", "quick", "clients", "steps", "only")  # what parts must agree on to be added up
Document = dict[str, Any]


class DifferentPartsError(Exception):
    """Parts of different campaigns can't be added up."""


def go_on(folder: Path, seed: int, enough: Callable[[Sequence[Document]], bool], run: Callable[[int], Document]) -> int:
    """Run parts, with one seed after the other from `seed` on, until it is enough; returns how many there are.

    A part that was run before is taken as it is: a campaign that was cut off goes on where it was.
    """
    folder.mkdir(parents=True, exist_ok=True)
    parts: list[Document] = []
    for each in count(seed):
        if enough(parts):
            break
        path = folder / f"part-{each}.json"
        if not path.exists():
            written = path.with_suffix(".new")
            written.write_text(json.dumps(run(each), indent=2) + "\n")
            written.replace(path)
        parts.append(json.loads(path.read_text()))
    return len(parts)


def parts_in(folder: Path) -> list[Document]:
    """Return the figures of all parts in a folder."""
    return [json.loads(path.read_text()) for path in sorted(folder.glob("part-*.json"))]


def counts(parts: Iterable[Document]) -> tuple[int, int]:
    """Return the faults and the jobs of all parts."""
    found = [(len(part["strikes"]), int(part["accepted"])) for part in parts]
    return sum(faults for faults, _ in found), sum(jobs for _, jobs in found)


def rows_of(parts: Sequence[Document]) -> list[Row]:
    """Return one row for each kind of fault over all parts, and one for all. Raises DifferentPartsError."""
    if len({json.dumps([part["options"][name] for name in SAME]) for part in parts}) > 1:
        raise DifferentPartsError(f"these parts differ in {', '.join(SAME)}")
    rows = [Row(**row | {"recoveries": tuple(row["recoveries"])}) for part in parts for row in part["rows"]]
    kinds = [kind for kind in (*map(str, Kind), ALL) if any(row.kind == kind for row in rows)]
    return [_sum([row for row in rows if row.kind == kind]) for kind in kinds]


def _sum(rows: Sequence[Row]) -> Row:
    numbers = ("faults", "hit", "lost", "doubled", "failed", "leaked")
    sums = {name: sum(getattr(row, name) for row in rows) for name in numbers}
    return Row(kind=rows[0].kind, recoveries=tuple(s for row in rows for s in row.recoveries), **sums)


def add_up(parts: Sequence[Document]) -> bool:
    """Print the tables of all parts together; tells whether nothing was lost, doubled, leaked or failed."""
    faults, jobs = counts(parts)
    options, seeds = parts[0]["options"], [str(part["options"]["seed"]) for part in parts]
    killers = [KillerCase(**case) for part in parts for case in part["killers"]]
    title = f"{faults} faults over {jobs} jobs, seeds {', '.join(seeds)}, {options['storage']}"
    show_all(rows_of(parts), killers, title)
    wrong = [(name, job, why) for part in parts for name in FINDINGS for job, why in part[name].items()]
    for name, job, why in wrong:
        print(f"{name}: {job}: {why}")
    return not wrong


FINDINGS = tuple(Findings.__dataclass_fields__)
