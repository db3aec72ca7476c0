"""Writes docs/modules.md: every module with the line that it says of itself. `python scripts/module_table.py`."""

import ast
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
PACKAGES = ("core", "worker", "api", "cli", "client/tailor_client", "bench", "pretrain")
HEAD = """# Every module in one line

Written by `python scripts/module_table.py` from the first line of each module; a test compares. Where to begin, and the
words: [structure.md](structure.md).
"""


def purpose(path: Path) -> str:
    """Return the first line of a module's docstring; raises ValueError when it has none."""
    text = ast.get_docstring(ast.parse(path.read_text()))
    if not text:
        raise ValueError(f"{path.relative_to(REPOSITORY)} does not say what it is for")
    return text.splitlines()[0]


def folders() -> list[Path]:
    """Return every package folder, parents first."""
    return [init.parent for name in PACKAGES for init in sorted((REPOSITORY / name).rglob("__init__.py"))]


def section(folder: Path) -> str:
    """Return one folder's heading, purpose and modules."""
    modules = [path for path in sorted(folder.glob("*.py")) if path.name != "__init__.py"]
    lines = [f"- `{path.name}`: {purpose(path)}" for path in modules]
    title = folder.relative_to(REPOSITORY).as_posix()
    return "\n".join([f"## {title}/", "", purpose(folder / "__init__.py"), "", *lines]) + "\n"


def table() -> str:
    """Return the whole page."""
    return "\n".join([HEAD, *(section(folder) for folder in folders())])


if __name__ == "__main__":
    (REPOSITORY / "docs" / "modules.md").write_text(table())
    sys.stdout.write("docs/modules.md\n")
