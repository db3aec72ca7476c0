"""Settings of what one owner, one address and one connection may take, and how a limit is named to clients."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from pydantic_settings import BaseSettings, NoDecode

PREFIX = "TAILOR_"
_RATE = re.compile(r"(\d{1,9})\s*/\s*(\d{1,6})")


@dataclass(frozen=True)
class Rate:
    """So many requests in so many seconds: all at once, and then as they come back, evenly."""

    quota: int
    window_s: int


def _rate(value: Any) -> Any:
    """Return a rate from a text like 120/60, or None from an empty one."""
    if not isinstance(value, str):
        return value
    found = _RATE.fullmatch(value.strip())
    if value.strip() and (not found or not int(found[1]) or not int(found[2])):
        raise ValueError(f"{value!r} is no rate; 120/60 is 120 requests in 60 seconds, and nothing is no limit")
    return Rate(int(found[1]), int(found[2])) if found else None


RateSetting = Annotated[Rate | None, NoDecode, BeforeValidator(_rate)]


class LimitSettings(BaseSettings):
    """What strangers may take of a server, by owner, address and connection; a part of `core.config.Settings`."""

    rate_submissions: RateSetting = Field(
        Rate(120, 60), description="POSTs of one owner: 120/60 is 120 in 60 seconds; empty: no limit"
    )
    max_bytes_per_owner: int | None = Field(
        None, ge=1, description="of pictures, tails and results that one owner has stored; None: no limit"
    )
    rate_requests: RateSetting = Field(Rate(3000, 60), description="all other requests of one owner; empty: no limit")

    # Connections of one API process (docs/production.md; nginx in front has its own)
    max_connections: int = Field(1000, ge=1, description="that an API process holds; beyond it new ones get 503")
    idle_timeout_s: float = Field(15, gt=0, description="a connection on which no request begins is closed")
    head_timeout_s: float = Field(10, gt=0, description="from the first byte of a request until its whole head is here")
    body_timeout_s: float = Field(20, gt=0, description="for a body, and longer for its bytes by min_body_rate")
    min_body_rate: int = Field(16_384, ge=1, description="bytes a second that a body must come with at least")
    unread_timeout_s: float = Field(60, gt=0, description="a client that takes nothing of its answer is cut off")


def setting_name(field: str) -> str:
    """Return the name of the variable that a setting comes from."""
    return f"{PREFIX}{field.upper()}"


def named_limit(settings: BaseSettings, field: str) -> dict[str, Any]:
    """Return the members by which a problem says which limit caused it: `limit`, and the setting's name."""
    return {"limit": getattr(settings, field), "setting": setting_name(field)}
