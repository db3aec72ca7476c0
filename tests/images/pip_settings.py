"""This machine's pip settings for the pip inside a build: its index, its folders of wheels, its certificates."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from urllib.parse import urlsplit

from tests.images.shell import output

# What says where packages come from, and no more: the rest (a user's prefix, say) means this machine only.
PASSED_ON = {"index-url", "extra-index-url", "find-links", "no-index", "trusted-host", "cert", "client-cert", "proxy"}


def pip_mounts(folder: Path) -> list[tuple[Path, str]]:
    """Write the settings into `folder` as one file; returns what must be mounted, and where, for them to hold."""
    settings = _settings(output(sys.executable, "-m", "pip", "config", "list"))
    certificates = {name: Path(settings[name]) for name in ("cert", "client-cert") if name in settings}
    settings |= {name: f"/etc/pip-{name}.pem" for name in certificates}
    lines = ["[global]", *(f"{name} = {' '.join(value.split())}" for name, value in settings.items())]
    config = folder / "pip.conf"
    config.write_text("\n".join(lines) + "\n")
    paths = {path for value in settings.values() for word in value.split() if (path := _local(word))}
    fixed = [(config, "/etc/pip.conf"), *((path, settings[name]) for name, path in certificates.items())]
    return [*fixed, *((path, str(path)) for path in sorted(paths))]


def _settings(listed: str) -> dict[str, str]:
    """Read the lines of `pip config list`; what the environment says goes first, as in pip itself."""
    found: dict[str, str] = {}
    lines = [line.partition("=") for line in listed.splitlines()]
    for key, _, value in sorted(lines, key=lambda line: line[0].startswith(":env:")):
        name = key.rpartition(".")[2]
        if name in PASSED_ON:
            found[name] = str(ast.literal_eval(value))
    return found


def _local(word: str) -> Path | None:
    """Return the file or folder of this machine that a setting names; an index's files lie beside it."""
    path = Path(urlsplit(word).path).parent if word.startswith("file:") else Path(word)
    return path if path.is_absolute() and path.exists() else None
