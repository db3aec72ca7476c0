"""URLs that strangers name, checked as far as that goes without asking anybody."""

from __future__ import annotations

import re

import httpx

from api.outbound.addresses import AddressGuard
from core.errors import InvalidInputError

MAX_CHARS = 2048
SCHEMES = ("http", "https")
_NAME = re.compile(r"(?=.{1,253}\Z)([a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}\.?")


def check_url(guard: AddressGuard, field: str, text: str) -> httpx.URL:
    """Return a URL that may be asked; raises InvalidInputError, which names the field.

    What its host resolves to is checked when it is dialed, as it may change until then.
    """
    if len(text) > MAX_CHARS:
        raise InvalidInputError(field, f"{field} has {len(text)} characters, over the limit of {MAX_CHARS}")
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, ValueError):
        raise InvalidInputError(field, f"{field} is no URL") from None
    if url.scheme not in SCHEMES or not url.host:
        raise InvalidInputError(field, f"{field} must be a whole URL that begins with http:// or https://")
    if url.userinfo:
        raise InvalidInputError(field, f"{field} must not hold a user name or a password")
    if not (":" in url.host or _NAME.fullmatch(url.raw_host.decode())):
        raise InvalidInputError(field, f"{field} has no valid host name")
    if url.port is not None and not 0 < url.port < 2**16:
        raise InvalidInputError(field, f"{field} has no valid port")
    if guard.refuses_literal(url.host):
        raise InvalidInputError(field, f"{field} is an address that this server may not reach")
    return url
