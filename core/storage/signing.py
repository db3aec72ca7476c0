"""Signed, expiring paths on the API: files of stores that can't sign URLs themselves, and events."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from urllib.parse import quote, urlencode

from core.errors import ForbiddenError


def sign(secret: bytes, key: str, *, expires_s: int, filename: str, content_type: str, now: float | None = None) -> str:
    """Return `/files/{key}?expires=…&type=…&name=…&signature=…`, good `expires_s` seconds from `now` (Unix time)."""
    expires = str(int(time.time() if now is None else now) + expires_s)
    signature = _signature(secret, key, expires, content_type, filename)
    query = {"expires": expires, "type": content_type, "name": filename, "signature": signature}
    return f"/files/{quote(key)}?{urlencode(query)}"


def verify(secret: bytes, key: str, query: Mapping[str, str], *, now: float | None = None) -> None:
    """Raise ForbiddenError unless `query`, decoded, is what `sign` gave for `key` and has not expired."""
    expires = query.get("expires", "")
    expected = _signature(secret, key, expires, query.get("type", ""), query.get("name", ""))
    if not hmac.compare_digest(expected.encode(), query.get("signature", "").encode(errors="replace")):
        raise ForbiddenError("signature is wrong for this file")
    if int(expires) <= (time.time() if now is None else now):
        raise ForbiddenError("expires lies in the past: ask for a fresh URL")


def sign_path(secret: bytes, path: str, *, expires_s: int, now: float | None = None) -> str:
    """Return `path?expires=…&signature=…`: whoever has it may GET that path of the API without a key until then."""
    expires = str(int(time.time() if now is None else now) + expires_s)
    return f"{path}?{urlencode({'expires': expires, 'signature': _signature(secret, path, expires)})}"


def verify_path(secret: bytes, path: str, expires: str, signature: str, *, now: float | None = None) -> None:
    """Raise ForbiddenError unless `sign_path` gave these for `path` and they have not expired."""
    if not hmac.compare_digest(_signature(secret, path, expires).encode(), signature.encode(errors="replace")):
        raise ForbiddenError("signature is wrong for this path")
    if int(expires) <= (time.time() if now is None else now):
        raise ForbiddenError("expires lies in the past: ask for a fresh URL")


def content_disposition(filename: str) -> str:
    """Return the header value that shows a file inline and names it (RFC 6266) when it is saved."""
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\' else "_" for c in filename)
    return f"inline; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"


def _signature(secret: bytes, *parts: str) -> str:
    return hmac.new(secret, json.dumps(parts).encode(), hashlib.sha256).hexdigest()
