"""The models that `tailor up` serves from a data folder: `models.toml`, which `tailor models add` writes."""

from __future__ import annotations

import json
import os
import re
import tomllib
from pathlib import Path

FILE = "models.toml"
SETTING = "TAILOR_MODELS"  # where it is set, it stands in the file's place
_HEAD = """# What `tailor up` serves beside the embedded model, by `tailor models add`; the first is the default.
# TAILOR_MODELS, where it is set, stands in its place.
[models]
"""
_PLAIN = re.compile(r"[A-Za-z0-9_-]+")


class ModelsFileError(Exception):
    """The file can't be read or written; says why."""


def read_models(data: Path) -> dict[str, str]:
    """Return each model's location by its name, in the file's order; nothing without a file."""
    path = data / FILE
    try:
        content = tomllib.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError):  # that the folder is none, is said where it is wanted
        return {}
    except (OSError, UnicodeError, tomllib.TOMLDecodeError) as error:
        raise ModelsFileError(f"{path} can't be read: {error}") from None
    models = content.get("models", {})
    if not isinstance(models, dict) or not all(isinstance(value, str) for value in models.values()):
        raise ModelsFileError(f"{path}: under [models] each line must be a name and a location in quotes")
    return dict(models)


def write_models(data: Path, models: dict[str, str]) -> Path:
    """Write the file anew, at once or not at all, and return it."""
    path = data / FILE
    lines = [
        f"{name if _PLAIN.fullmatch(name) else json.dumps(name)} = {json.dumps(location, ensure_ascii=False)}\n"
        for name, location in models.items()
    ]
    try:
        data.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{FILE}")
        temporary.write_text(_HEAD + "".join(lines))
        temporary.replace(path)
    except OSError as error:
        raise ModelsFileError(f"{path} can't be written: {error}") from None
    return path


def as_setting(models: dict[str, str]) -> str:
    """Return the models as the value of TAILOR_MODELS."""
    return ",".join(f"{name}={location}" for name, location in models.items())


def use_models_of(data: Path) -> None:
    """Let this process and those that it starts serve the data folder's models, unless TAILOR_MODELS says which."""
    if SETTING not in os.environ and (models := read_models(data)):
        os.environ[SETTING] = as_setting(models)
