"""The playground's files, read once: each with its type, its tag and its compressed form."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import Response

FOLDER = Path(__file__).parent / "page"
PAGE = "index.html"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".webp": "image/webp",
}


@dataclass(frozen=True)
class Asset:
    """One file as it is served."""

    data: bytes
    media_type: str
    tag: str
    gzipped: bytes | None  # None where compression saves nothing, as of pictures

    def answer(self, asked: Headers, more: dict[str, str] | None = None) -> Response:
        """Return the file, or 304 to who has it; browsers ask each time, so that a new version is seen at once."""
        headers = {"ETag": self.tag, "Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"} | (more or {})
        headers["Vary"] = ", ".join(filter(None, [headers.get("Vary"), "Accept-Encoding"]))
        if self.tag in asked.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        if self.gzipped and "gzip" in asked.get("accept-encoding", ""):
            headers["Content-Encoding"] = "gzip"
            return Response(self.gzipped, media_type=self.media_type, headers=headers)
        return Response(self.data, media_type=self.media_type, headers=headers)


@cache
def assets() -> dict[str, Asset]:
    """Return all files by their paths below `page/`."""
    files = (path for path in sorted(FOLDER.rglob("*")) if path.suffix in TYPES)
    return {path.relative_to(FOLDER).as_posix(): _read(path) for path in files}


def _read(path: Path) -> Asset:
    data = path.read_bytes()
    gzipped = gzip.compress(data, mtime=0)
    tag = f'"{hashlib.sha256(data).hexdigest()[:16]}"'
    return Asset(data, TYPES[path.suffix], tag, gzipped if len(gzipped) < len(data) * 0.9 else None)
