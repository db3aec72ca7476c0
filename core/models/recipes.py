"""The recipes `paper` and `fast`, and a backbone's own."""

from __future__ import annotations

import json
from pathlib import Path

from core.models.parameters import EditParams, PersonalizeParams, Recipe

# The settings of the HiPer paper (Han et al. 2023, section 4), for Stable Diffusion 1.x.
PAPER = Recipe(
    personalize=PersonalizeParams(recipe="paper"),
    edit=EditParams(),
)

# Untuned settings that are sensible for any backbone: timesteps where a picture's content is decided (U(500,900) raised
# identity for textual inversion, arXiv 2503.14868), a learning rate that falls to zero, the posterior's mean.
FAST = Recipe(
    personalize=PersonalizeParams(
        recipe="fast",
        learning_rate=1e-2,
        learning_rate_schedule="cosine",
        steps=400,
        timestep_low=500,
        timestep_high=900,
        uniform_share=0.2,
        posterior="mean",
    ),
    edit=EditParams(sampler="dpmpp_2m", num_inference_steps=25),
)


def recipes_for(model_folder: Path) -> dict[str, Recipe]:
    """Return a backbone's recipes: `tailor.json` beside its weights overrides fields of the general ones.

    Raises ValueError when the file is not what it should be.
    """
    general = {"paper": PAPER, "fast": FAST}
    path = model_folder / "tailor.json"
    if not path.exists():
        return general
    overrides = json.loads(path.read_text()).get("recipes", {})
    return {name: merged(name, general.get(name, PAPER), overrides.get(name, {})) for name in {**general, **overrides}}


def of_steps_at_most(recipe: Recipe, most: int) -> Recipe:
    """Return a recipe as it is on a server that allows so many steps: who names none isn't refused for the recipe's."""
    steps = min(recipe.personalize.steps, most)
    return recipe.model_copy(update={"personalize": recipe.personalize.model_copy(update={"steps": steps})})


def merged(name: str, base: Recipe, override: dict[str, dict[str, object]]) -> Recipe:
    """Return a recipe of this name with some fields of `personalize` and `edit` in place of the base's."""
    personalize = base.personalize.model_dump() | {"recipe": name} | override.get("personalize", {})
    edit = base.edit.model_dump() | override.get("edit", {})
    return Recipe(personalize=PersonalizeParams.model_validate(personalize), edit=EditParams.model_validate(edit))
