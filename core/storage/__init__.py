"""Object storage: a local folder or an S3 bucket behind one interface, chosen by URL."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from core.storage.base import ObjectInfo, ObjectMissingError, Storage
from core.storage.folder import FolderStorage
from core.storage.key_rules import check_key
from core.storage.s3 import S3Storage

__all__ = ["FolderStorage", "ObjectInfo", "ObjectMissingError", "S3Storage", "Storage", "check_key", "open_storage"]


def open_storage(
    url: str,
    *,
    secret: bytes,
    s3_endpoint_url: str | None = None,
    s3_public_endpoint_url: str | None = None,
    s3_region: str = "us-east-1",
    s3_access_key: str | None = None,
    s3_secret_key: str | None = None,
    s3_create_bucket: bool = True,
) -> Storage:
    """Open `s3://bucket/prefix`, `file:///folder` or a plain path; `secret` signs a folder's URLs.

    Raises ValueError for another kind of URL and StorageUnavailableError if the store does not answer.
    """
    parts = urlsplit(url)
    if parts.scheme == "s3":
        return S3Storage(
            parts.netloc,
            parts.path.strip("/"),
            endpoint_url=s3_endpoint_url,
            public_endpoint_url=s3_public_endpoint_url,
            region=s3_region,
            access_key=s3_access_key,
            secret_key=s3_secret_key,
            create_bucket=s3_create_bucket,
        )
    if parts.scheme == "file" and parts.netloc in {"", "localhost"}:
        return FolderStorage(Path(unquote(parts.path)), secret)
    if "://" in url:
        raise ValueError(f"storage URL {url!r} must be s3://bucket/prefix, file:///folder or a path")
    return FolderStorage(Path(url), secret)
