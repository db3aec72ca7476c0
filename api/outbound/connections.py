"""Connections to checked addresses only: a name is resolved once, and what was checked is what is dialed."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Iterable

import httpcore

from api.outbound.addresses import AddressGuard

MOST_ADDRESSES = 4  # of one name that are tried
Resolve = Callable[[str, int], Awaitable[list[str]]]


class InnerAddressError(Exception):
    """A host has no address that may be dialed."""


def resolve(host: str, port: int) -> list[str]:
    """Return the addresses of a host, best first; blocks. Raises OSError."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:  # no name that DNS could have
        raise OSError(str(error)) from error
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Connects like httpcore's own, but only to addresses that the guard allows.

    URL, Host header and the name that TLS checks stay the client's: only what is dialed is pinned. httpx-secure, which
    does the same, connects before it checks, so that a stranger could have inner ports knocked at.
    """

    def __init__(self, guard: AddressGuard, resolving: Resolve) -> None:
        self._guard = guard
        self._resolving = resolving
        self._backend = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address that answers; raises InnerAddressError or a `httpcore.ConnectError`."""
        try:
            found = await self._resolving(host, port)
        except OSError as error:
            raise httpcore.ConnectError(f"{host} has no address") from error
        addresses = [address for address in found if self._guard.allows(host, address)]
        if not addresses:
            raise InnerAddressError(host)
        *others, last = addresses[:MOST_ADDRESSES]
        for address in others:
            try:
                return await self._backend.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self._backend.connect_tcp(last, port, timeout, local_address, socket_options)

    async def sleep(self, seconds: float) -> None:
        """Sleep as httpcore's retries do."""
        await self._backend.sleep(seconds)
