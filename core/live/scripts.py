"""The Lua scripts in which a job's record, its events, its place in a line and its lease change together."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import redis

FOLDER = Path(__file__).parent / "lua"
_NEEDS = re.compile(r"^-- needs: (.*)$", re.MULTILINE)


@cache
def source(name: str) -> str:
    """Return a script with the shared functions that it says it needs in front."""
    text = (FOLDER / f"{name}.lua").read_text()
    needs = _NEEDS.search(text)
    shared = [(FOLDER / "shared" / f"{function}.lua").read_text() for function in (needs[1].split() if needs else [])]
    return "\n".join([*shared, text])


def names() -> list[str]:
    """Return the names of all scripts."""
    return sorted(path.stem for path in FOLDER.glob("*.lua"))


class Scripts:
    """All scripts, ready to run on one client; a call raises `redis.RedisError`."""

    def __init__(self, client: redis.Redis) -> None:
        self._scripts = {name: client.register_script(source(name)) for name in names()}

    def run(self, name: str, keys: list[str], *args: str | float) -> Any:
        """Run a script with all the keys that it touches."""
        return self._scripts[name](keys=keys, args=list(args))
