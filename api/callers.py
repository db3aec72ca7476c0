"""Who asks: the owner of all that a request makes and sees, and what it may do."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any

import structlog
from fastapi import Depends, Query, Request
from fastapi import Path as PathParameter
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.access.rates import HEADERS, Policy, stranger, who_asks
from api.owners import Owners
from api.state import state_of
from core.access.keys import SCOPES, ApiKey, Scope
from core.errors import MissingScopeError, NotFoundError
from core.jobs.ids import is_job_id, is_tail_id, job_of
from core.jobs.records import DEFAULT_OWNER
from core.storage.signing import verify_path

BEARER = HTTPBearer(
    auto_error=False,
    scheme_name="apiKey",
    description="`tailor keys create NAME` makes one. Mostly none is needed on the server's own machine",
)


@dataclass(frozen=True)
class Caller:
    """Who asks. What it makes belongs to `owner`, and it sees what belongs to `owner`; nothing else."""

    owner: str
    scopes: frozenset[Scope]
    key_id: str | None = None

    @classmethod
    def with_key(cls, key: ApiKey) -> Caller:
        """Return who uses a key."""
        return cls(key.owner, frozenset(scope for scope in SCOPES if key.may(scope)), key.id)


EVERYBODY = Caller(DEFAULT_OWNER, frozenset(SCOPES))  # where no key is asked for, all are one owner


async def caller_of(request: Request, sent: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]) -> Caller:
    """Return who asks; raises UnauthorizedError for who needs a good key and has none."""
    state = state_of(request)
    if sent and not state.doorkeeper.has_seen(sent.credentials) and (who := stranger(request.scope)):
        await state.rates.take("requests", who)  # who guesses at keys does it no faster than others ask without any
    key = await state.doorkeeper.key_of(request.scope, sent.credentials if sent else None)
    if key is None:
        return EVERYBODY
    structlog.contextvars.bind_contextvars(key=key.id)
    return Caller.with_key(key)


Asking = Annotated[Caller, Depends(caller_of)]


def may(scope: Scope | None) -> Callable[[Caller, Request], Coroutine[Any, Any, Caller]]:
    """Return a dependency that lets pass who may do this (None: anybody with a good key), as often as may be.

    It belongs into a route's `dependencies`, which are solved before the body is read.
    """

    async def allowed(caller: Asking, request: Request) -> Caller:
        if scope is not None and scope not in caller.scopes:
            raise MissingScopeError(f"this needs a key with the scope {scope!r}", scope=scope)
        policy: Policy = "submissions" if request.method == "POST" else "requests"
        who = who_asks(request.scope, caller.owner, caller.key_id)
        if allowance := await state_of(request).rates.take(policy, who):
            request.scope["state"][HEADERS] = allowance.headers
        return caller

    return allowed


async def own_job_id(
    job_id: Annotated[str, PathParameter(examples=["job_0123456789abcdef01234567"])], caller: Asking, request: Request
) -> str:
    """Return the id of a job of the caller's; another's is as unknown as one that never was."""
    if not is_job_id(job_id) or not await _is_own(job_id, caller, state_of(request).owners):
        raise NotFoundError(f"there is no job {job_id}", id=job_id)
    return job_id


async def own_tail_id(
    tail_id: Annotated[str, PathParameter(examples=["tail_0123456789abcdef01234567"])],
    caller: Asking,
    request: Request,
) -> str:
    """Return the id of a tail of the caller's; another's is as unknown as one that never was."""
    if not is_tail_id(tail_id) or not await _is_own(job_of(tail_id), caller, state_of(request).owners):
        raise NotFoundError(f"there is no tail {tail_id}", id=tail_id)
    return tail_id


async def _is_own(job_id: str, caller: Caller, owners: Owners) -> bool:
    try:
        return await owners.of(job_id) == caller.owner
    except NotFoundError:
        return False


async def followed_job_id(
    job_id: Annotated[str, PathParameter(examples=["job_0123456789abcdef01234567"])],
    sent: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)],
    request: Request,
    expires: Annotated[str, Query(description="of a signed URL")] = "",
    signature: Annotated[str, Query(description="of a signed URL: it stands for the key")] = "",
) -> str:
    """Return the id of a job whose events the caller may follow: its own, or one that a signed URL names."""
    if signature:
        verify_path(state_of(request).services.secret, f"/jobs/{job_id}/events", expires, signature)
        return job_id
    caller = await may("read")(await caller_of(request, sent), request)
    return await own_job_id(job_id, caller, request)


JobId = Annotated[str, Depends(own_job_id)]
FollowedJobId = Annotated[str, Depends(followed_job_id)]
TailId = Annotated[str, Depends(own_tail_id)]
