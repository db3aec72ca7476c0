"""What Tailor ships beside its code: the embedded model and the sample picture, from a checkout or an installation."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import core

CODE = Path(core.__file__).resolve().parents[1]  # the checkout, or the site-packages of an installation
PACKAGE = "tailor_critters"  # models/pyproject.toml makes it


def embedded_model() -> Path | None:
    """Return the embedded model's folder, in diffusers' layout; None where it is not installed, as in an API image."""
    return _find(CODE / "models" / "critters", "model")


def sample_picture() -> Path | None:
    """Return the picture that `tailor demo` learns, a PNG; None where it is not installed."""
    return _find(CODE / "samples" / "dog.png", "samples/dog.png")


def _find(in_checkout: Path, in_package: str) -> Path | None:
    if in_checkout.exists():
        return in_checkout
    spec = find_spec(PACKAGE)
    for folder in (spec and spec.submodule_search_locations) or ():
        if (found := Path(folder) / in_package).exists():
            return found
    return None
