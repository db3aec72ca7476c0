"""Where the server is, and with which key it is asked."""

from __future__ import annotations

import os
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from tailor_client.errors import TailorError

DEFAULT_URL = "http://127.0.0.1:8000"
VERSION = "/v1"
TIMEOUT = httpx.Timeout(90, connect=5)  # a request may wait for a job for 60 s
GRACE_S = 5.0  # that an answer may come later than its time


def timeout(within_s: float | None) -> httpx.Timeout:
    """Return the time-outs of a request that is of use for so long; None: the usual ones."""
    if within_s is None:
        return TIMEOUT
    return httpx.Timeout(min(90.0, within_s + GRACE_S), connect=min(5.0, within_s + 1.0))


@dataclass(frozen=True)
class Connection:
    """A server's address, checked, and an API key or none."""

    url: str
    key: str

    @classmethod
    def to(cls, url: str, key: str | None) -> Connection:
        """Return the connection to a server; without a key it is the one in TAILOR_API_KEY. Raises TailorError."""
        key = (os.environ.get("TAILOR_API_KEY", "") if key is None else key).strip()
        if not key.isascii() or not key.isprintable():
            raise TailorError("the API key holds what no key holds: line breaks or letters with accents")
        if not url.startswith(("http://", "https://")):
            raise TailorError(f"{url!r} is not the URL of a server: it begins with neither http:// nor https://")
        try:
            host = urlsplit(url).hostname and httpx.URL(url).host
        except (ValueError, httpx.InvalidURL) as error:
            raise TailorError(f"{url!r} is not the URL of a server: {error}") from None
        if not host:
            raise TailorError(f"{url!r} is not the URL of a server: it names no host")
        return cls(url.rstrip("/").removesuffix(VERSION), key)

    @property
    def base_url(self) -> str:
        """Where the calls lie."""
        return self.url + VERSION

    @property
    def headers(self) -> dict[str, str]:
        """What calls carry, but for those to signed URLs: these may be another server's, which must not see the key."""
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}
