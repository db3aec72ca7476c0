"""Writes docs/openapi.json: the interface as the routes describe it. `python scripts/openapi.py`."""

import json
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
FILE = REPOSITORY / "docs" / "openapi.json"


def text() -> str:
    """Return the whole file: of a server with the default settings, whatever the environment says."""
    sys.path.insert(0, str(REPOSITORY))
    from api.app import create_app  # noqa: PLC0415 - the checkout's, wherever this is called
    from core.config import Settings  # noqa: PLC0415

    return json.dumps(create_app(Settings.model_construct()).openapi(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(text())
    sys.stdout.write("docs/openapi.json\n")
