"""Options that several commands have, and what their texts mean."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

Url = Annotated[
    str | None, typer.Option(envvar="TAILOR_URL", help="The server; default: the one `tailor up` runs here.")
]
KeyFile = Annotated[
    Path | None,
    typer.Option(
        envvar="TAILOR_KEY_FILE", exists=True, dir_okay=False, help="A file with the API key; or TAILOR_API_KEY has it."
    ),
]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for the end, with a progress bar.")]
Json = Annotated[bool, typer.Option("--json", help="Print the job as one line of JSON.")]
JsonLines = Annotated[bool, typer.Option("--json", help="Print one line of JSON for each.")]
Seed = Annotated[int | None, typer.Option(min=0, help="Makes a result repeatable; default: drawn by the server.")]
Label = Annotated[
    list[str] | None,
    typer.Option("--label", metavar="NAME=VALUE", help="To find it again by; `name` is a tail's name. Repeatable."),
]
Ttl = Annotated[str | None, typer.Option(metavar="TIME", help="Delete it so long after its end: 3600, 90m, 12h or 7d.")]
Webhook = Annotated[str | None, typer.Option(metavar="URL", help="Who is told of its end.")]
OutFolder = Annotated[Path, typer.Option("-o", "--out", file_okay=False, help="The folder for the files.")]

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def labels_of(given: list[str] | None) -> dict[str, str]:
    """Return labels from `name=value`."""
    labels = {}
    for text in given or ():
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise typer.BadParameter(f"--label takes NAME=VALUE, not {text!r}")
        labels[name] = value
    return labels


def seconds_of(given: str | None) -> int | None:
    """Return a time's seconds."""
    if given is None:
        return None
    found = re.fullmatch(r"(\d{1,9})([smhd]?)", given.strip())
    if not found:
        raise typer.BadParameter(f"--ttl takes a time like 3600, 90m, 12h or 7d, not {given!r}")
    return int(found[1]) * _UNITS[found[2]]
