"""Under which names this server is known: a client's word alone, its Host header, gets into no link."""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from urllib.parse import urlsplit

import structlog
from starlette.datastructures import Headers
from starlette.types import Scope

from core.config import Settings

log = structlog.get_logger()
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::\d{1,5})?")


def base_url(settings: Settings, scope: Scope) -> str:
    """Return the API's address for the links in an answer: TAILOR_PUBLIC_URL, or as the client calls a known host.

    Another Host is not believed: then it is the address at which the connection came in.
    """
    if settings.public_url:
        return settings.public_url.rstrip("/")
    host = Headers(scope=scope).get("host", "")
    if not is_known_host(settings, scope):
        log.info("links.unknown_host", host=host[:100], hint="TAILOR_PUBLIC_URL or TAILOR_TRUSTED_HOSTS can name it")
        host = ""
    return f"{scope['scheme']}://{host or _own_address(scope)}{scope.get('root_path', '').rstrip('/')}"


def is_known_host(settings: Settings, scope: Scope) -> bool:
    """Tell whether a request names the server as the settings do, as loopback, or by the address that it came to."""
    name = _name_in(Headers(scope=scope).get("host", ""))
    if name is None:
        return False
    if name in ("localhost", _name_in(_own_address(scope)), _name_in(urlsplit(settings.public_url or "").netloc)):
        return True
    return is_loopback(name) or any(_matches(name, known) for known in settings.trusted_hosts_list)


@lru_cache(maxsize=1024)
def is_loopback(address: str | None) -> bool:
    """Tell whether a text is an address of the loopback interface."""
    parsed = parsed_address(str(address).strip("[]"))
    return parsed is not None and parsed.is_loopback


def parsed_address(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return an address, that of IPv4 for one that a socket for both writes as ::ffff:1.2.3.4; None if it is none."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return None
    return (parsed.ipv4_mapped or parsed) if isinstance(parsed, ipaddress.IPv6Address) else parsed


def _name_in(host: str) -> str | None:
    """Return the name in `name:port`, in lower case; None for what is no host."""
    found = _HOST.fullmatch(host)
    return found[1].lower() if found else None


def _matches(name: str, known: str) -> bool:
    return name.endswith(known[1:]) if known.startswith("*.") else name == known


def _own_address(scope: Scope) -> str:
    server = scope.get("server")
    if not server or server[1] is None:  # a Unix socket
        return "localhost"
    return f"[{server[0]}]:{server[1]}" if ":" in server[0] else f"{server[0]}:{server[1]}"
