"""Recipes with some of their settings changed, as a line of text: `fast steps=100 tail_scale=1.2 pictures=4`."""

from __future__ import annotations

import json
from dataclasses import dataclass

from core.models.parameters import EditParams, Params, PersonalizeParams, Recipe
from core.models.recipes import merged

MOST_PICTURES = 16


@dataclass(frozen=True)
class Variant:
    """A recipe, the line that names it, and how many pictures a tail is learned from."""

    name: str
    recipe: Recipe
    pictures: int = 1


def read_variant(line: str, known: dict[str, Recipe]) -> Variant:
    """Return the variant that a line names; SystemExit when it names what there isn't."""
    name, *changes = line.split()
    if name not in known:
        raise SystemExit(f"there is no recipe {name!r}; there are: {', '.join(known)}")
    pairs = {field: value_of(text) for field, _, text in (change.partition("=") for change in changes)}
    pictures = pairs.pop("pictures", 1)
    if not isinstance(pictures, int) or not 1 <= pictures <= MOST_PICTURES:
        raise SystemExit(f"{line!r}: pictures are 1 to {MOST_PICTURES}")
    unknown = pairs.keys() - PersonalizeParams.model_fields.keys() - EditParams.model_fields.keys()
    if unknown:
        raise SystemExit(f"{line!r} sets what no recipe has: {', '.join(sorted(unknown))}")
    override = {"personalize": _of(PersonalizeParams, pairs), "edit": _of(EditParams, pairs)}
    return Variant(line, merged(name, known[name], override), pictures)


def _of(params: type[Params], pairs: dict[str, object]) -> dict[str, object]:
    return {field: value for field, value in pairs.items() if field in params.model_fields}


def value_of(text: str) -> object:
    """Return what a setting says: a number, true or false, or the text itself."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
