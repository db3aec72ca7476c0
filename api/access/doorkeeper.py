"""Who a request's API key says that it comes from, and whether it needs one."""

from __future__ import annotations

from typing import Literal

from starlette.datastructures import Headers
from starlette.types import Scope

from api.access.hosts import is_loopback
from api.threads import Threads
from api.waiting.shared import Shared
from core.access.keyring import Keyring
from core.access.keys import ApiKey, id_in
from core.errors import StorageUnavailableError, UnauthorizedError

FORGET_S = 3.0  # a revoked key opens nothing any more after so long, in every process
PATIENCE_S = 10.0
REMEMBERED = 10_000
OURS = "tailor_"
FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip", "via")  # a proxy speaks for somebody else


Require = Literal["auto", "always", "never"]


def needs_key(require: Require, scope: Scope) -> bool:
    """Tell whether a request must bring a key.

    By default all must but those that came over the loopback interface themselves: who listens there alone is asked by
    nobody else. What a proxy on this machine hands on is somebody else's.
    """
    if require != "auto":
        return require == "always"
    ends = [end[0] if end else None for end in (scope.get("server"), scope.get("client"))]
    headers = Headers(scope=scope)
    return not all(map(is_loopback, ends)) or any(name in headers for name in FORWARDED)


class Doorkeeper:
    """Knows the keys that were sent lately, for some seconds each. For one event loop."""

    def __init__(self, keyring: Keyring, reading: Threads, require: Require) -> None:
        self._keyring = keyring
        self._reading = reading
        self._require = require
        self._known: dict[str, Shared[ApiKey | None]] = {}
        self._good: set[str] = set()  # the ids of keys that were good at some time

    def has_seen(self, sent: str) -> bool:
        """Tell whether `sent` names a key that was good before: nothing made up costs a look into storage twice."""
        return id_in(sent) in self._good

    async def key_of(self, scope: Scope, sent: str | None) -> ApiKey | None:
        """Return the key that `sent` is; None where none is needed and none was sent.

        Raises UnauthorizedError, and StorageUnavailableError: what can't be looked up opens nothing.
        """
        needed = needs_key(self._require, scope)
        if sent is None or not (needed or sent.startswith(OURS)):
            if needed:
                raise UnauthorizedError("this needs an API key, as the header Authorization: Bearer tailor_…")
            return None
        key_id = id_in(sent)
        key = await self._find(key_id) if key_id else None
        if key is None or not key.is_hash_of(sent):
            raise UnauthorizedError("there is no such API key", error="invalid_token")
        self._good.add(key.id)
        if key.revoked_at:
            raise UnauthorizedError(f"the API key {key.id} was revoked", error="invalid_token")
        return key

    async def _find(self, key_id: str) -> ApiKey | None:
        if key_id not in self._known:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[key_id] = Shared(lambda: self._reading.run(self._keyring.find, key_id), max_age_s=FORGET_S)
        try:
            return await self._known[key_id].answer(PATIENCE_S)
        except TimeoutError:
            raise StorageUnavailableError("storage does not answer: API keys can't be read", retry_after_s=5) from None
