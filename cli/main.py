"""The command line.

Exit codes: 0 done; 1 the job failed or was canceled; 2 wrong usage, or the server refused the request; 3 no server
answers, or it fails itself; 130 Ctrl-C.
"""

from __future__ import annotations

from typing import Annotated

import typer

from cli.commands import edit, jobs, keys, models, personalize, server, tails
from core.version import tailor_version

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="One picture of a subject in, any number of edits of that subject out.",
    epilog="Exit codes: 0 done; 1 the job failed or was canceled; 2 wrong usage or a refused request; "
    "3 no server answers; 130 Ctrl-C.",
)
# In the order of --help
app.command()(server.up)
app.command()(server.demo)
app.command()(personalize.personalize)
app.command()(edit.edit)
app.command()(jobs.status)
app.command()(jobs.fetch)
app.command()(jobs.cancel)
app.command()(jobs.jobs)
app.command()(tails.tails)
app.command()(tails.label)
app.command("import")(tails.import_tail)
app.command()(jobs.delete)
app.add_typer(models.app, name="models")
app.add_typer(keys.app, name="keys")


def main() -> None:
    """Run the command line."""
    app()


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tailor {tailor_version()}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Take what stands before a command."""
