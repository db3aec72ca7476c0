"""What a key may look like, the same for every store."""

from __future__ import annotations

import re

TEMPORARY = ".tmp"
MAX_KEY_BYTES = 1024
MAX_SEGMENT_BYTES = 255
_CONTROL_OR_BACKSLASH = re.compile(r"[\x00-\x1f\x7f\\]")


def check_key(key: str) -> str:
    """Return `key` if every store can keep it, else raise ValueError with the reason."""
    _check_text(key)
    for segment in key.split("/"):
        if segment in {"", ".", ".."}:
            raise ValueError(f"key {key!r} has an empty, '.' or '..' segment")
        if len(segment.encode()) > MAX_SEGMENT_BYTES:
            raise ValueError(f"key {key[:80]!r}… has a segment of more than {MAX_SEGMENT_BYTES} bytes")
    return key


def check_prefix(prefix: str) -> str:
    """Return `prefix` if keys may begin with it (it may be empty or end in the middle of a segment)."""
    _check_text(prefix)
    whole_segments = prefix.split("/")[:-1]
    if whole_segments:
        check_key("/".join(whole_segments))
    return prefix


def check_folder_prefix(prefix: str) -> str:
    """Return `prefix` if it names a whole folder; what deletes by prefix must not hit a neighbor."""
    if not prefix.endswith("/"):
        raise ValueError(f"prefix {prefix!r} must end in '/'")
    return check_prefix(prefix)


def _check_text(text: str) -> None:
    if _CONTROL_OR_BACKSLASH.search(text):
        raise ValueError(f"key {text[:80]!r} has a backslash or a control character")
    if len(text.encode()) > MAX_KEY_BYTES:
        raise ValueError(f"key {text[:80]!r}… has more than {MAX_KEY_BYTES} bytes")
    if text.split("/", maxsplit=1)[0] == TEMPORARY:
        raise ValueError(f"key {text[:80]!r} begins with {TEMPORARY!r}, which is kept for unfinished writes")
