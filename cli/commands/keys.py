"""`tailor keys`: makes, lists and revokes API keys, in the server's storage and not over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from core.access.keyring import Keyring
from core.access.keys import DEFAULT_SCOPES, SCOPES, ApiKey, Scope
from core.config import Settings
from core.errors import TailorError
from core.services import configured_storage

app = typer.Typer(
    no_args_is_help=True,
    help="Make, list and revoke API keys. To be run where the server's settings are: it goes to TAILOR_STORAGE itself.",
)
Data = Annotated[
    Path, typer.Option(help="The data folder of `tailor up`; TAILOR_STORAGE goes before it.", file_okay=False)
]
DATA = Path("data")


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What it is called in lists.")],
    *,
    scope: Annotated[str, typer.Option(help=f"Some of {', '.join(SCOPES)}.")] = ",".join(DEFAULT_SCOPES),
    owner: Annotated[str | None, typer.Option(help="Whose it is; default: an owner of its own, named like it.")] = None,
    data: Data = DATA,
) -> None:
    """Make a key and print it, this once: what is stored is not enough to use it."""
    with _keyring(data) as keyring:
        key, text = keyring.create(name, _scopes(scope), datetime.now(UTC), owner=owner)
        typer.echo(f"{_line(key)}\nThe key is shown this once:", err=True)
        typer.echo(text)


@app.command("list")
def list_(data: Data = DATA, as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """List all keys, revoked ones too."""
    with _keyring(data) as keyring:
        for key in keyring.all():
            typer.echo(json.dumps(key.model_dump(mode="json", exclude={"sha256"})) if as_json else _line(key))


@app.command()
def revoke(key: Annotated[str, typer.Argument(help="Its name or id.")], data: Data = DATA) -> None:
    """Let a key open nothing any more, within seconds. What its owner has stays."""
    with _keyring(data) as keyring:
        typer.echo(_line(keyring.revoke(key, datetime.now(UTC))))


def _scopes(text: str) -> list[Scope]:
    wanted = {word.strip() for word in text.split(",")}
    if unknown := wanted - set(SCOPES):
        raise typer.BadParameter(f"there is no scope {', '.join(sorted(unknown))!r}; there are {', '.join(SCOPES)}")
    return [scope for scope in SCOPES if scope in wanted]


def _line(key: ApiKey) -> str:
    revoked = f", revoked {key.revoked_at:%FT%TZ}" if key.revoked_at else ""
    return f"{key.id}  {key.name}  owner {key.owner}, {'+'.join(key.scopes)}, made {key.created_at:%FT%TZ}{revoked}"


@contextmanager
def _keyring(data: Path) -> Iterator[Keyring]:
    try:
        settings = Settings()
        if "storage" not in settings.model_fields_set:
            settings = settings.model_copy(update={"storage": str(data / "storage")})
        if "://" not in settings.storage and not Path(settings.storage).is_dir():
            _fail(f"no server keeps its storage in {settings.storage}: name it with --data or TAILOR_STORAGE")
        yield Keyring(configured_storage(settings))
    except ValidationError as error:
        first = error.errors()[0]
        _fail(f"TAILOR_{'_'.join(map(str, first['loc'])).upper()}: {first['msg']}")
    except (TailorError, ValueError) as error:
        _fail(str(error))


def _fail(message: str) -> None:
    typer.echo(f"tailor: {message}", err=True)
    raise typer.Exit(2)
