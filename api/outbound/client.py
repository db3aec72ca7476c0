"""One request to where a stranger says, within limits of time and size; redirects are the caller's to follow."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass

import httpcore
import httpx

from api.outbound.addresses import AddressGuard
from api.outbound.connections import GuardedBackend, InnerAddressError, Resolve
from core.version import tailor_version

CONNECT_S = 5.0  # for one address


class OutboundError(Exception):
    """A request had no answer; `reason` is a stable word.

    inner-address, timeout, unreachable, tls or broken.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True)
class Answer:
    """What came back: at most as many bytes as were wanted, and whether there were more."""

    status: int
    headers: httpx.Headers
    body: bytes
    cut: bool


class Outbound:
    """Makes requests over connections of their own to addresses that the guard allows; no proxy, no cookies."""

    def __init__(self, guard: AddressGuard, resolving: Resolve, tls: ssl.SSLContext | None = None) -> None:
        self.guard = guard
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls or httpx.create_ssl_context(),
            max_connections=None,  # callers bound what they do at once
            max_keepalive_connections=0,
            network_backend=GuardedBackend(guard, resolving),
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._pool.aclose()

    async def send(
        self,
        method: str,
        url: httpx.URL,
        *,
        max_bytes: int,
        timeout_s: float,
        headers: dict[str, str],
        content: bytes | None = None,
        take: Callable[[int], None] = lambda _: None,
    ) -> Answer:
        """Return the answer, of whose body at most `max_bytes` are kept; raises OutboundError, and what `take` raises.

        `take` hears of the bytes as they come. All takes at most `timeout_s`, however slowly the other side sends.
        """
        try:
            async with asyncio.timeout(timeout_s):
                return await self._send(method, url, headers, content, _Reading(max_bytes, take))
        except (TimeoutError, httpcore.TimeoutException):
            raise OutboundError("timeout", f"{url.host} has not answered within {timeout_s:g} s") from None
        except InnerAddressError:
            raise OutboundError("inner-address", f"{url.host} is no address that this server may reach") from None
        except (httpcore.ConnectError, OSError) as error:
            reason = "tls" if "SSL" in str(error) or "CERTIFICATE" in str(error) else "unreachable"
            raise OutboundError(reason, _no_connection(url.host, reason)) from None
        except (httpcore.NetworkError, httpcore.ProtocolError):
            raise OutboundError("broken", f"{url.host} has not sent a whole answer") from None

    async def _send(
        self, method: str, url: httpx.URL, headers: dict[str, str], content: bytes | None, reading: _Reading
    ) -> Answer:
        target = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        sent = [("User-Agent", f"Tailor/{tailor_version()}"), ("Connection", "close"), *headers.items()]
        extensions = {"timeout": {"connect": CONNECT_S}}
        async with self._pool.stream(method, target, headers=sent, content=content, extensions=extensions) as response:
            body, cut = await reading.read(response)
        return Answer(response.status, httpx.Headers(response.headers), body, cut)


@dataclass(frozen=True)
class _Reading:
    max_bytes: int
    take: Callable[[int], None]

    async def read(self, response: httpcore.Response) -> tuple[bytes, bool]:
        chunks, size = [], 0
        async for chunk in response.aiter_stream():
            self.take(len(chunk))
            size += len(chunk)
            chunks.append(chunk)
            if size > self.max_bytes:
                break
        return b"".join(chunks)[: self.max_bytes], size > self.max_bytes


def _no_connection(host: str, reason: str) -> str:
    return f"{host} has no certificate that holds" if reason == "tls" else f"{host} can't be reached"
