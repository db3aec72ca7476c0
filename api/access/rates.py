"""How often somebody may ask: kept in Redis, so that all API processes agree, and told in each answer."""

from __future__ import annotations

import ipaddress
import math
import time
from dataclasses import dataclass
from typing import Literal

import redis.asyncio
import structlog
from prometheus_client import CollectorRegistry, Counter
from starlette.datastructures import Headers
from starlette.types import Scope

from api.access.doorkeeper import FORWARDED
from api.access.hosts import is_loopback, parsed_address
from api.waiting.bounded import AWAY, LIMIT_S, Questions
from core.config import Settings
from core.errors import RateLimitedError
from core.limits import Rate, setting_name
from core.live.names import rate_key
from core.live.scripts import source

log = structlog.get_logger()
Policy = Literal["submissions", "requests"]
POLICIES: tuple[Policy, ...] = ("submissions", "requests")
HEADERS = "rate_headers"  # under this name the state of a request has what its answer says


@dataclass(frozen=True)
class Allowance:
    """What is left of a rate: `left` requests now, all of them again in `full_s`."""

    policy: Policy
    rate: Rate
    left: int
    full_s: int

    @property
    def headers(self) -> dict[str, str]:
        """What an answer says of it (draft-ietf-httpapi-ratelimit-headers, its structured fields)."""
        return {
            "RateLimit-Policy": f'"{self.policy}";q={self.rate.quota};w={self.rate.window_s}',
            "RateLimit": f'"{self.policy}";r={self.left};t={self.full_s}',
        }


class Rates:
    """Counts the requests of each owner and, where no keys are asked for, of each address. For one event loop.

    Nobody is refused because Redis is away: then nothing is counted, which a metric says.
    """

    def __init__(
        self, settings: Settings, client: redis.asyncio.Redis, questions: Questions, registry: CollectorRegistry
    ) -> None:
        self._rates: dict[Policy, Rate | None] = {policy: getattr(settings, setting(policy)) for policy in POLICIES}
        self._take = client.register_script(source("rate"))
        self._questions = questions
        self._away_until = float("-inf")
        self._refused = Counter("tailor_rate_limited", "Requests refused with 429", ["policy"], registry=registry)
        self._unchecked = Counter(
            "tailor_rate_unchecked", "Requests that nobody could count, as Redis was away", registry=registry
        )
        for policy in POLICIES:
            self._refused.labels(policy)

    def of(self, policy: Policy) -> Rate | None:
        """Return the rate that holds, or None for no limit."""
        return self._rates[policy]

    async def take(self, policy: Policy, who: str | None) -> Allowance | None:
        """Count one request; None when nothing bounds `who`, or Redis is away. Raises RateLimitedError.

        The error's `allowance` is what there is then.
        """
        rate = self._rates[policy]
        if rate is None or who is None:
            return None
        try:
            may, left, full_ms, next_ms = await self._ask(policy, rate, who)
        except AWAY as error:
            self._unchecked.inc()
            log.debug("rates.redis_away", error=str(error))
            return None
        allowance = Allowance(policy, rate, left, math.ceil(full_ms / 1000))
        if may:
            return allowance
        self._refused.labels(policy).inc()
        raise _limited(allowance, math.ceil(next_ms / 1000))

    async def _ask(self, policy: Policy, rate: Rate, who: str) -> list[int]:
        """Ask Redis, unless it has just not answered: nobody waits for what the one before him waited for in vain."""
        if time.monotonic() < self._away_until:
            raise TimeoutError("Redis has just not answered")
        keys, args = [rate_key(policy, who)], [rate.quota, 1000 * rate.window_s]
        try:
            answer: list[int] = await self._questions.ask(lambda: self._take(keys=keys, args=args))
        except AWAY:
            self._away_until = time.monotonic() + LIMIT_S
            raise
        return answer


def setting(policy: Policy) -> str:
    """Return the name of the setting of a policy."""
    return f"rate_{policy}"


def who_asks(scope: Scope, owner: str, key_id: str | None) -> str | None:
    """Return whose requests are counted together: an owner's; without a key an address'; None for loopback's.

    The address is the server's word: uvicorn takes it from X-Forwarded-For only of proxies that FORWARDED_ALLOW_IPS
    names. A whole network of IPv6 (64 bits) is one address, as one client has all of it.
    """
    return f"owner:{owner}" if key_id is not None else stranger(scope)


def stranger(scope: Scope) -> str | None:
    """Return whose allowance a request without a known key counts in: its address'; None for loopback's."""
    address = scope["client"][0] if scope.get("client") else ""
    headers = Headers(scope=scope)
    if is_loopback(address) and not any(name in headers for name in FORWARDED):
        return None
    return f"address:{_network(address)}"


def _network(address: str) -> str:
    parsed = parsed_address(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network(f"{parsed}/64", strict=False))
    return str(parsed or address)


def _limited(allowance: Allowance, wait_s: int) -> RateLimitedError:
    quota, window_s = allowance.rate.quota, allowance.rate.window_s
    detail = f"more {allowance.policy} than {quota} in {window_s} seconds; the next one is taken in {wait_s}"
    return RateLimitedError(
        detail,
        retry_after_s=wait_s,
        policy=allowance.policy,
        limit=quota,
        window_s=window_s,
        setting=setting_name(setting(allowance.policy)),
    ).telling(allowance.headers)
