"""`tailor up` and `tailor demo`: a server here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.commands.asking import DEFAULT_DATA, fail
from cli.demo import run_demo
from cli.machine.models_file import ModelsFileError, use_models_of
from cli.parts import MissingPartError
from cli.results import FolderError, writable
from cli.up import UpError, UpOptions, run_until_stopped
from tailor_client import TailorError, UnreachableError


def up(
    data: Annotated[Path, typer.Option(help="The folder of all data.")] = DEFAULT_DATA,
    host: Annotated[str, typer.Option(help="Where the API listens.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: a free one.")] = 8000,
    workers: Annotated[int | None, typer.Option(min=1, help="Default: one a GPU, or one.", show_default=False)] = None,
) -> None:
    """Run Redis, workers and the API here, restart what dies; Ctrl-C ends everything."""

    def show(name: str, line: str) -> None:
        typer.echo(f"{name:<9} | {line}", err=True)

    try:
        use_models_of(data)
        run_until_stopped(UpOptions(data.resolve(), host, port, workers), lambda line: show("tailor", line), show)
    except ModelsFileError as error:
        fail(str(error), 2)
    except (UpError, MissingPartError) as error:
        fail(str(error), 3)


def demo(
    data: Annotated[Path, typer.Option(help="The folder of its server's data.")] = Path("demo"),
    out: Annotated[Path, typer.Option("-o", "--out", dir_okay=False, help="The contact sheet.")] = Path("demo.png"),
) -> None:
    """Learn a sample picture and make edits of it, with a server of its own that is stopped afterwards."""
    try:
        writable(out.parent)
        run_demo(data.resolve(), out)
    except FolderError as error:
        fail(str(error), 2)
    except (UpError, MissingPartError, UnreachableError) as error:
        fail(str(error), 3)
    except TailorError as error:
        fail(str(error), 1)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
