"""`tailor models`: what a server serves; adding models to a data folder, after they were checked here."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from cli.commands.asking import DEFAULT_DATA, asking, fail
from cli.commands.options import Json, KeyFile, Url
from cli.machine.models_file import (
    FILE,
    SETTING,
    ModelsFileError,
    as_setting,
    read_models,
    write_models,
)
from cli.parts import MissingPartError, require_packages
from core.config import Settings
from core.models.location import ModelLocation

app = typer.Typer(invoke_without_command=True, help="List the models that a server's workers have loaded; add others.")
# Of what libraries say while they load, only errors
QUIET = {"TRANSFORMERS_VERBOSITY": "error", "DIFFUSERS_VERBOSITY": "error", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
Data = Annotated[Path, typer.Option(help="The data folder of `tailor up`.", file_okay=False)]


@app.callback()
def models(context: typer.Context, as_json: Json = False, url: Url = None, key_file: KeyFile = None) -> None:
    """List the models that the server's workers have loaded."""
    if context.invoked_subcommand:
        return
    with asking(url, key_file) as client:
        found = client.models()
    if as_json:
        typer.echo(json.dumps([model.model_dump(mode="json") for model in found]))
        return
    typer.echo("\n".join(f"{model.name}  {model.description}" for model in found))


@app.command()
def add(
    name: Annotated[str, typer.Argument(help='What requests call it, as "model".')],
    location: Annotated[
        str,
        typer.Argument(
            metavar="FOLDER|FILE|HUB-NAME", help="Where it is; +lora:FILE@SCALE and +ti:FILE@WORD merge files into it."
        ),
    ],
    data: Data = DEFAULT_DATA,
) -> None:
    """Check a checkpoint here, without a server, and have `tailor up` serve it from then on.

    It is loaded and makes one step: what it is, what it lacks and what memory it takes is told.
    """
    place = _location(name, location)
    try:
        require_packages()
        if not _works(name, place):
            fail(f"{name} was not added", 1)
        path = write_models(data, read_models(data) | {name: place})
    except MissingPartError as error:
        fail(str(error), 3)
    except ModelsFileError as error:
        fail(str(error), 2)
    typer.echo(f"added to {path}: `tailor up` serves it from its next start")
    typer.echo(f'elsewhere: {SETTING}="{as_setting({name: place})}"')
    if os.environ.get(SETTING):
        typer.echo(f"{SETTING} is set here, and stands in the place of {FILE}", err=True)


@app.command()
def remove(name: str, data: Data = DEFAULT_DATA) -> None:
    """Have `tailor up` serve a model no longer; its files stay."""
    try:
        known = read_models(data)
        if name not in known:
            fail(f"{data / FILE} has no {name!r}; it has: {', '.join(known) or 'none'}", 2)
        del known[name]
        typer.echo(f"removed from {write_models(data, known)}")
    except ModelsFileError as error:
        fail(str(error), 2)


def _location(name: str, location: str) -> str:
    """Return a location with full paths; what can't be a name or a location is a refusal."""
    if not re.fullmatch(r"\w[\w.-]*", name):
        fail(f"NAME is {name!r}; it must be of letters, digits, dots, hyphens and underscores", 2)
    try:
        place = str(ModelLocation.parse(location).absolute())
        if "," in place:
            fail(f"{place!r} has a comma, which separates models in {SETTING}", 2)
        Settings(models=f"{name}={place}")
    except ValidationError as error:
        fail(error.errors()[0]["msg"].removeprefix("Value error, "), 2)
    except ValueError as error:
        fail(str(error), 2)
    return place


def _works(name: str, place: str) -> bool:
    """Check a model in a process of its own, as the command line has no torch; what it says is shown."""
    command = [sys.executable, "-P", "-m", "worker.checking", name, place]
    return subprocess.run(command, check=False, env=os.environ | QUIET).returncode == 0  # noqa: S603 - our own module, and no shell
