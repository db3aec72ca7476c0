"""Keeps what took long to make, so that a run of hours can be stopped and taken up again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from safetensors.torch import load_file, save_file
from torch import Tensor

T = TypeVar("T")
TailsBySteps = list[dict[int, Tensor]]


@dataclass(frozen=True)
class Keep:
    """Files in a folder, named by all that their content depends on; without a folder nothing is kept.

    `ground` is what everything depends on beside what each call names: the model, who is tried, who judges.
    """

    folder: Path | None
    ground: str = ""

    def values(self, of: object, make: Callable[[], T]) -> T:
        """Return what was made of `of` before, or make it; both are whatever JSON can hold."""
        path = self._path(of, "json")
        if path is not None and path.exists():
            found: T = json.loads(path.read_text())
            return found
        made = make()
        if path is not None:
            path.write_text(json.dumps(made))
        return made

    def tails(self, of: object, steps: Sequence[int], make: Callable[[], TailsBySteps]) -> TailsBySteps:
        """Return each individual's tails (n, D) after at least these steps, learned before or now."""
        path = self._path(of, "safetensors")
        if path is not None and path.exists():
            found = _from_names(load_file(path))
            if set(steps) <= found[0].keys():
                return found
        made = make()
        if path is not None:
            save_file(_to_names(made), path)
        return made

    def _path(self, of: object, suffix: str) -> Path | None:
        if self.folder is None:
            return None
        self.folder.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256(json.dumps([self.ground, of], sort_keys=True).encode()).hexdigest()
        return self.folder / f"{digest[:24]}.{suffix}"


def _to_names(tails: TailsBySteps) -> dict[str, Tensor]:
    return {
        f"{row} {steps}": tail.contiguous() for row, by_steps in enumerate(tails) for steps, tail in by_steps.items()
    }


def _from_names(tensors: dict[str, Tensor]) -> TailsBySteps:
    found: dict[int, dict[int, Tensor]] = {}
    for name, tail in tensors.items():
        row, steps = map(int, name.split())
        found.setdefault(row, {})[steps] = tail
    return [found[row] for row in sorted(found)]
