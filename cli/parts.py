"""What a command needs beyond the bare package, and the one line that says what to install."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from pydantic import ValidationError

from core.config import INSTALL_CRITTERS, NoModelError, Settings
from core.shipped import embedded_model, sample_picture

WORKER_PACKAGES = ("torch", "diffusers", "transformers", "accelerate")


class MissingPartError(Exception):
    """Something is not installed; the message says in one line what to install."""


def require_packages() -> None:
    """Raise MissingPartError unless what computes is installed here."""
    missing = [name for name in WORKER_PACKAGES if find_spec(name) is None]
    if missing:
        raise MissingPartError(
            f"a worker needs {', '.join(missing)}: {INSTALL_CRITTERS} (it brings them), "
            "or pip install 'tailor[worker,embedded]' for models of your own"
        )


def require_worker() -> None:
    """Raise MissingPartError unless a worker can run here: its packages are there, and a model that it can load."""
    require_packages()
    try:
        _ = Settings().loadable_models
    except NoModelError as error:
        raise MissingPartError(str(error)) from None
    except ValidationError as error:
        wrong = "; ".join(f"TAILOR_{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors())
        raise MissingPartError(f"the settings are wrong: {wrong}") from None


def demo_picture() -> Path:
    """Return the sample picture. Raises MissingPartError where the demo can't run: it wants the embedded model, too."""
    picture = sample_picture()
    if picture is None or embedded_model() is None:
        raise MissingPartError(f"the demo works with the embedded model and its sample picture: {INSTALL_CRITTERS}")
    return picture
