"""Methods as lines of text, `dreambooth steps=200 pictures=4 seconds=fast`, and the lines of the whole field."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

from bench.rivals.adapter.method import ZeroShot
from bench.rivals.inversion import TextualInversion
from bench.rivals.method import Method
from bench.rivals.plain import Plain, Sdedit, Words
from bench.rivals.tails import Tail
from bench.rivals.weights.dreambooth import DreamBooth
from bench.rivals.weights.imagic import Imagic
from bench.rivals.weights.lora import Lora
from bench.trials.variants import MOST_PICTURES, read_variant, value_of
from core.models.parameters import Recipe

METHODS: dict[str, type[Method]] = {
    "plain": Plain,
    "words": Words,
    "sdedit": Sdedit,
    "inversion": TextualInversion,
    "dreambooth": DreamBooth,
    "lora": Lora,
    "imagic": Imagic,
    "adapter": ZeroShot,
}
# Anew for each prompt it takes longer than all others together: so with some individuals only. With a text an adapter
# is to hear half of the picture (IP-Adapter's own advice).
_IN_FULL = {"imagic": ["imagic start=source", "imagic individuals=6"], "adapter": ["adapter", "adapter scale=0.5"]}
_COLD = "fast beginning=prompt steps=150 learning_rate=0.15"  # without what the tail prior was taught, as all others
TUNED = Path(__file__).with_name("tuned.json")  # by world: each method's settings at its full length, and `quick`


@dataclass(frozen=True)
class Entry:
    """A method in the contest: the line that names it, of how many pictures it learns, in whose seconds, of whom.

    `seconds` is another line's, whose time alone this one is to take; None is its own length. It competes with the
    first `individuals` only, or all.
    """

    line: str
    method: Method
    pictures: int = 1
    seconds: str | None = None
    individuals: float = math.inf


def read_entry(line: str, recipes: Mapping[str, Recipe]) -> Entry:
    """Return what a line names; SystemExit when it names what there isn't."""
    name, *changes = line.split()
    pairs = {field: value_of(text) for field, _, text in (change.partition("=") for change in changes)}
    pictures, seconds = pairs.pop("pictures", 1), pairs.pop("seconds", None)
    individuals = pairs.pop("individuals", math.inf)
    if not isinstance(individuals, int | float) or individuals < 1:
        raise SystemExit(f"{line!r}: individuals are 1 or more")
    if not isinstance(pictures, int) or not 1 <= pictures <= MOST_PICTURES:
        raise SystemExit(f"{line!r}: pictures are 1 to {MOST_PICTURES}")
    method = _method(line, name, pairs, recipes)
    if pictures > method.most_pictures:
        raise SystemExit(f"{line!r}: {name} learns from {method.most_pictures} picture at most")
    if seconds is not None and not method.steps_in_all:
        raise SystemExit(f"{line!r}: {name} has no steps that could be fewer")
    return Entry(line, method, pictures, None if seconds is None else str(seconds), individuals)


def _method(line: str, name: str, pairs: dict[str, object], recipes: Mapping[str, Recipe]) -> Method:
    if name in recipes:
        changes = " ".join(f"{field}={value}" for field, value in pairs.items())
        return Tail(recipe=read_variant(f"{name} {changes}", dict(recipes)).recipe)
    if name not in METHODS:
        raise SystemExit(f"there is no method {name!r}; there are: {', '.join([*recipes, *METHODS])}")
    kind = METHODS[name]
    unknown = pairs.keys() - {field.name for field in fields(kind)}
    if unknown:
        raise SystemExit(f"{line!r} sets what {name} has not: {', '.join(sorted(unknown))}")
    return replace(kind(), **pairs)  # type: ignore[arg-type] # mypy does not know the fields


def tuned_lines(world: str) -> dict[str, dict[str, str]]:
    """Return the settings that were chosen on development individuals, by method: `full`, and at `fast`'s `quick`."""
    found: dict[str, dict[str, dict[str, str]]] = json.loads(TUNED.read_text())
    return found.get(world, {})


def field_lines(world: str, *, pictures: Sequence[int] = (4, 8), adapter: bool = False) -> list[str]:
    """Return the whole field: every method as published, tuned, in `fast`'s seconds, and with several pictures."""
    missing = () if adapter else ("adapter",)
    tuned = {name: found for name, found in tuned_lines(world).items() if name not in missing}
    published = [line for name in METHODS if name not in missing for line in _IN_FULL.get(name, [name])]
    full = [settings["full"] for settings in tuned.values() if "full" in settings]
    quick = [f"{settings['quick']} seconds=fast" for settings in tuned.values() if "quick" in settings]
    several = [
        f"{line} pictures={count}"
        for line in ("fast", *full)
        for count in pictures
        if line == "fast" or METHODS[line.split()[0]].most_pictures >= count
    ]
    ours = ["fast", _COLD, f"{_COLD} seconds=fast", "paper", "paper seconds=fast"]
    return list(dict.fromkeys([*ours, *published, *full, *quick, *several]))
