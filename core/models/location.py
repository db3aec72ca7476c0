"""Where a model's weights are: a folder, a file or a hub name, with what is merged into it (`TAILOR_MODELS`)."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

_ADAPTER = re.compile(r"\+(lora|ti):")


@dataclass(frozen=True)
class Adapter:
    """A file that is merged into a model when it is loaded.

    `lora` changes weights, `scale` times; `ti` (textual inversion) adds a `word` to those that prompts may use, None:
    the one that the file names, or else its own name.
    """

    kind: Literal["lora", "ti"]
    path: str
    scale: float = 1.0
    word: str | None = None

    def __str__(self) -> str:
        last = self.word if self.kind == "ti" else None if self.scale == 1 else f"{self.scale:g}"
        return f"+{self.kind}:{self.path}" + (f"@{last}" if last else "")


@dataclass(frozen=True)
class ModelLocation:
    """A folder, a single file or a hub name, and what is merged into it."""

    base: str
    adapters: tuple[Adapter, ...] = ()

    @classmethod
    def parse(cls, text: str) -> ModelLocation:
        """Read `base+lora:file@0.8+ti:file@word`; ValueError says what is wrong with it."""
        base, *rest = _ADAPTER.split(text.strip())
        if not base.strip():
            raise ValueError(f"{text!r} names no folder, file or hub name")
        pairs = zip(rest[::2], rest[1::2], strict=True)
        return cls(base.strip(), tuple(_adapter(kind, value.strip()) for kind, value in pairs))

    def absolute(self) -> ModelLocation:
        """Return it with the full paths of all that lies here, so that it is the same from any folder."""
        return ModelLocation(
            _absolute(self.base), tuple(replace(each, path=_absolute(each.path)) for each in self.adapters)
        )

    def __str__(self) -> str:
        return self.base + "".join(map(str, self.adapters))


def _absolute(path: str) -> str:
    found = Path(path).expanduser()
    return str(found.resolve()) if found.exists() else path


def _adapter(kind: str, value: str) -> Adapter:
    path, at, last = value.rpartition("@")
    if not at:
        path, last = value, ""
    if not path:
        raise ValueError(f"+{kind}:{value} names no file")
    if kind == "ti":
        if at and not last.strip():
            raise ValueError(f"+ti:{value} ends in @ without a word")
        return Adapter("ti", path, word=last.strip() or None)
    if not at:
        return Adapter("lora", path)
    try:
        scale = float(last)
    except ValueError:
        scale = math.nan
    if not math.isfinite(scale):
        raise ValueError(f"+lora:{value}: {last!r} after @ is no number; it says how strongly the file is merged")
    return Adapter("lora", path, scale=scale)
