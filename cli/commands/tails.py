"""`tailor tails`, `label` and `import`: what becomes of tails."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from cli.commands.asking import asking
from cli.commands.jobs import Most, Statuses
from cli.commands.options import JsonLines, KeyFile, Label, Ttl, Url, labels_of, seconds_of
from tailor_client import Tail


def tails(
    *,
    statuses: Statuses = None,
    label: Label = None,
    most: Most = 20,
    as_json: JsonLines = False,
    url: Url = None,
    key_file: KeyFile = None,
) -> None:
    """List tails, the newest first, ready or not."""
    with asking(url, key_file) as client:
        found = client.tails(status=statuses or (), labels=labels_of(label), page=min(most, 100))
        for tail in islice(found, most):
            typer.echo(tail.model_dump_json() if as_json else _line(tail))


def label(
    tail: Annotated[str, typer.Argument(metavar="TAIL")],
    labels: Annotated[list[str], typer.Argument(metavar="NAME=VALUE...", help="Without a value the label goes.")],
    *,
    url: Url = None,
    key_file: KeyFile = None,
) -> None:
    """Set labels of a tail, as name=Rex; the others stay."""
    with asking(url, key_file) as client:
        typer.echo(_line(client.label(tail, {name: value or None for name, value in labels_of(labels).items()})))


def import_tail(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="A tail's safetensors file.")
    ],
    *,
    prompt: Annotated[str | None, typer.Option(help="What it was learned with, if the file does not say.")] = None,
    label: Label = None,
    ttl: Ttl = None,
    url: Url = None,
    key_file: KeyFile = None,
) -> None:
    """Take a tail's file to the server, as `tailor fetch` saves it; prints the tail's id, for `tailor edit`."""
    with asking(url, key_file) as client:
        typer.echo(client.import_tail(file, prompt=prompt, labels=labels_of(label) or None, ttl=seconds_of(ttl)).id)


def _line(tail: Tail) -> str:
    named = "".join(f" {name}={value}" for name, value in tail.labels.items())
    return f"{tail.id} {tail.status.value} {tail.model} {tail.prompt!r}{named}"
