"""The files of the page at `/docs`: Swagger UI, which lies here compressed, and what starts it."""

from __future__ import annotations

import gzip
import hashlib
from functools import cache
from pathlib import Path

from api.web.assets import TYPES, Asset

FOLDER = Path(__file__).parent / "reference"
PAGE = "index.html"
# Nothing from elsewhere, nothing inline but pictures; React sets its styles by script, which needs no exception.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}


@cache
def reference_files() -> dict[str, Asset]:
    """Return all files by name."""
    return {path.name.removesuffix(".gz"): _read(path) for path in sorted(FOLDER.iterdir()) if path.is_file()}


def _read(path: Path) -> Asset:
    packed = path.suffix == ".gz"
    data = gzip.decompress(path.read_bytes()) if packed else path.read_bytes()
    tag = f'"{hashlib.sha256(data).hexdigest()[:16]}"'
    media_type = TYPES.get(Path(path.name.removesuffix(".gz")).suffix, "text/plain; charset=utf-8")
    return Asset(data, media_type, tag, path.read_bytes() if packed else None)
