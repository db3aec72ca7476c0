"""Puts Swagger UI into api/web/reference/, compressed: `python scripts/swagger_ui.py swagger-ui-dist-VERSION.tgz`.

The archive is npm's: `npm pack swagger-ui-dist@VERSION`.
"""

import gzip
import sys
import tarfile
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "api" / "web" / "reference"
FILES = ("swagger-ui-bundle.js", "swagger-ui-bundle.js.LICENSE.txt", "swagger-ui.css")

if __name__ == "__main__":
    with tarfile.open(sys.argv[1]) as archive:
        for name in FILES:
            member = archive.extractfile(f"package/{name}")
            if member is None:
                raise SystemExit(f"{name} is not in {sys.argv[1]}")
            text = member.read()
            packed = gzip.compress(text, 9, mtime=0)
            (FOLDER / f"{name}.gz").write_bytes(packed)
            sys.stdout.write(f"{name}.gz: {len(packed)} bytes of {len(text)}\n")
