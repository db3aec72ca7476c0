"""What Tailor asks of object storage: whole objects, create-only writes, signed URLs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


class ObjectMissingError(KeyError):
    """There is no object under this key."""


@dataclass(frozen=True)
class ObjectInfo:
    """One object's key, size in bytes and time of its last write (UTC)."""

    key: str
    size: int
    modified: datetime


class Storage(Protocol):
    """Whole objects under keys like `jobs/{id}/job.json`; all calls block, and all are safe from many threads.

    Every method raises `core.errors.StorageUnavailableError` when the store does not answer, and `ValueError`
    for a key with an empty, `.` or `..` segment, a leading `/`, a backslash or a control character. `.tmp/` is
    reserved, and no key may lie under another one (`a` and `a/b`).
    """

    def put(self, key: str, data: bytes, content_type: str = "application/octet-stream") -> None:
        """Write or overwrite an object, atomically and durably."""

    def create(self, key: str, data: bytes, content_type: str = "application/octet-stream") -> bool:
        """Write an object only if there is none: True for the one writer that won, False for all others.

        After a StorageUnavailableError it is not known whether the object was written: read the key.
        """

    def get(self, key: str) -> bytes:
        """Return an object's bytes; raises ObjectMissingError."""

    def head(self, key: str) -> ObjectInfo | None:
        """Return what is known about an object, or None if there is none."""

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yield the objects whose keys begin with `prefix`, in the order of their keys.

        It may read all of them before it yields the first: not every S3 server lists in order.
        """

    def scan(self, prefix: str, *, after: str = "") -> Iterator[ObjectInfo]:
        """Yield the objects whose keys begin with `prefix` and come after `after`, in order; reads what is taken.

        Only for prefixes whose keys all have the same number of segments, each of the same form: those every server
        lists in order.
        """

    def delete(self, key: str) -> None:
        """Delete an object; deleting what is not there is no error."""

    def delete_prefix(self, prefix: str) -> int:
        """Delete everything whose key begins with `prefix` (which ends in `/`); returns how many objects went."""

    def url(self, key: str, *, expires_s: int, filename: str, content_type: str) -> str:
        """Return a signed URL that serves the object until it expires.

        S3 gives an absolute URL; the folder gives a path on the API (`/files/…`), as only the API knows its host.
        """

    def probe(self) -> None:
        """Prove that create-only writes have exactly one winner here; raises RuntimeError if they have not."""
